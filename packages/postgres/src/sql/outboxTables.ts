/* The tables of the outbox, each statement with its reason. `s` is the schema's name, quoted. */

/** What every row of the outbox carries beside its place. */
const messageColumns = `
  event_id text collate "C" not null,
  destination text collate "C" not null,
  key text collate "C",
  type text collate "C" not null,
  content_type text not null,
  body bytea,
  headers jsonb not null,
  must_route boolean not null,
  created_at timestamptz not null default now()`

/** Rows come and go all the time: vacuum after a few thousand dead ones, whatever the size, or reads wade through them. */
const busyTable = `autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_insert_scale_factor = 0.2, autovacuum_analyze_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0`

export const outboxTables = (s: string): readonly string[] => [
  `-- Messages that wait for the relay. Inserted and deleted, never updated: an update would leave a dead copy each time.
-- The relay reads a partition from its start in the order of ids, so the primary key is the only index that it needs.
create table ${s}.outbox (
  partition smallint not null,
  id bigint generated always as identity,${messageColumns},
  primary key (partition, id)
) with (${busyTable})`,

  `-- Messages with a time to come, in a table of their own: the relay's read never passes over rows that are not due.
-- The primary key is in the order in which they fall due.
create table ${s}.outbox_scheduled (
  partition smallint not null,
  due_at timestamptz not null,
  id bigint generated always as identity,${messageColumns},
  primary key (partition, due_at, id)
) with (${busyTable})`,

  `-- Who owns a partition until when. The fence rises with every change of owner, so that what an owner of the past still
-- sends can be told apart. Half-empty pages: updates stay in their page, and need no entry in the index.
create table ${s}.outbox_lease (
  partition smallint primary key,
  owner text,
  fence bigint not null default 0,
  expires_at timestamptz
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500)`,

  `-- The relays that are alive: the partitions are shared among them.
create table ${s}.outbox_relay (
  relay text primary key,
  expires_at timestamptz not null
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500)`,

  `-- Keys whose first entry failed for a reason of its own: they wait for another attempt, or, parked, for an operator.
-- Apart from the outbox, so that counting attempts does not update rows there. Usually empty.
create table ${s}.outbox_key (
  partition smallint not null,
  key text collate "C" not null,
  entry_id bigint not null,
  event_id text not null,
  destination text not null,
  type text not null,
  attempts integer not null,
  failure_code text not null,
  failure_message text not null,
  failed_at timestamptz not null,
  retry_at timestamptz,
  parked_at timestamptz,
  primary key (partition, key)
)`,
]

/** Leases are rows from the start: a relay takes one by an update, and needs no right to insert any. */
export const leaseRows = (s: string, partitionCount: number): string =>
  `-- One lease for each partition.
insert into ${s}.outbox_lease (partition) select generate_series(0, ${partitionCount - 1})`

export const releaseDueFunction = (s: string): string =>
  `-- Moves scheduled messages that are due to the end of the outbox, for relays that still own their partition. A function
-- with its owner's rights: relays move what services have written, and may insert nothing of their own.
-- A message whose id stands in the outbox already (only with the unique index) is that very message, and goes.
create function ${s}.outbox_release_due(partitions smallint[], fences bigint[], max_count integer) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
  with due as (
    select d.partition, d.due_at, d.id
    from unnest(partitions, fences) as asked(partition, fence)
    join ${s}.outbox_lease l on l.partition = asked.partition and l.fence = asked.fence and l.expires_at > now()
    cross join lateral (
      select w.partition, w.due_at, w.id from ${s}.outbox_scheduled w
      where w.partition = asked.partition and w.due_at <= now()
      order by w.due_at, w.id limit max_count for update skip locked
    ) d
    limit max_count
  ), gone as (
    delete from ${s}.outbox_scheduled w using due
    where w.partition = due.partition and w.due_at = due.due_at and w.id = due.id
    returning w.*
  ), moved as (
    insert into ${s}.outbox
      (partition, event_id, destination, key, type, content_type, body, headers, must_route, created_at)
    select partition, event_id, destination, key, type, content_type, body, headers, must_route, due_at
    from gone order by due_at, id
    on conflict do nothing
  )
  select count(*) from gone
$$`

export const discardFunction = (s: string): string =>
  `-- Deletes all that a parked key has, and says how much; null when it is not parked. A function with its owner's rights: relays
-- delete no scheduled message of their own accord. Scheduled ones first: what somebody is moving meanwhile is waited for here,
-- and the next statement sees where it has gone.
create function ${s}.outbox_discard(partition_given smallint, key_given text) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  scheduled bigint;
  waiting bigint;
begin
  delete from ${s}.outbox_key k where k.partition = partition_given and k.key = key_given and k.parked_at is not null;
  if not found then return null; end if;
  delete from ${s}.outbox_scheduled w where w.partition = partition_given and coalesce(w.key, w.event_id) = key_given;
  get diagnostics scheduled = row_count;
  delete from ${s}.outbox o where o.partition = partition_given and coalesce(o.key, o.event_id) = key_given;
  get diagnostics waiting = row_count;
  return scheduled + waiting;
end
$$`

export const uniqueIdIndexNames: readonly string[] = ['outbox_event_id', 'outbox_scheduled_event_id']

export const uniqueIdIndexes = (s: string): readonly string[] => [
  `-- Repeating a transaction whose COMMIT got no answer, with the same message id, fails while the message still waits.
create unique index if not exists outbox_event_id on ${s}.outbox (event_id)`,
  `create unique index if not exists outbox_scheduled_event_id on ${s}.outbox_scheduled (event_id)`,
]
