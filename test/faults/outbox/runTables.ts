/*
 * What the services of a run keep in their database beside outbox and inbox. It says afterwards what was committed: a
 * ledger is what a process believed.
 */

/** The schema of these tables. */
export const runSchema = 'faults'

export const runTables: readonly string[] = [
  `create schema ${runSchema}`,
  // One row for each key, locked by whoever publishes for it: the order of the numbers is the order of the commits.
  `create table ${runSchema}.key (key text primary key, seq bigint not null default 0)`,
  // The change that goes with a message.
  `create table ${runSchema}.written (id text primary key, key text not null, seq bigint not null)`,
  // Without any constraint: an effect that happens twice must be seen.
  `create table ${runSchema}.effect (id text not null, key text not null, seq bigint not null)`,
  // Where a transaction that stays open has written.
  `create table ${runSchema}.held (at timestamptz not null)`,
]

/**
 * The change that goes with a message, with the next number of its key and that of the transaction. It has a name: a
 * connection plans it once.
 */
export const writeNext = {
  name: 'writeNext',
  text: `
with next as (
  insert into ${runSchema}.key as k (key, seq) values ($1, 1)
  on conflict (key) do update set seq = k.seq + 1 returning key, seq
), written as (
  insert into ${runSchema}.written (id, key, seq) select $2, key, seq from next
)
select seq::text, pg_current_xact_id()::text as transaction from next`,
}
export const selectWritten = `select from ${runSchema}.written where id = $1`
export const insertEffect = `insert into ${runSchema}.effect (id, key, seq) values ($1, $2, $3)`
