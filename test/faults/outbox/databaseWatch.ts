import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import { applyLine } from '../ledger.js'
import type { Ledger } from '../ledger.js'
import type { DatabaseFacts } from './databaseFacts.js'
import { effectsOf } from './databaseFacts.js'
import { createRunPool } from './runPool.js'
import { runSchema } from './runTables.js'

/** Asks the database of a run, past everything that breaks. */
export interface DatabaseWatch {
  /** Writes into the ledger what became of transactions that no process could tell of: those that died with one. */
  settle(ledger: Ledger, now: () => number): Promise<void>
  /** Resolves when nothing waits and every effect is there, or when nothing has moved for so long. */
  drained(patienceMs: number): Promise<void>
  /** Says which partitions have no relay, when each should have one of so many. */
  missingRelays(expected: number): Promise<readonly string[]>
  /** Everything, when all processes have ended. */
  finish(): Promise<DatabaseFacts>
  /** For people, when nothing moves. */
  diagnose(): Promise<string>
  close(): Promise<void>
}

/** The name under which the runner itself is connected. */
const auditor = 'auditor'
const pollMs = 200
/** A relay joins within its lease and a third of one. */
const settleMs = 20_000
/** Connections of processes that have ended are gone by then. */
const goneMs = 15_000

export function createDatabaseWatch(url: string): DatabaseWatch {
  const pool = createRunPool(url, auditor, 2)
  return {
    async settle(ledger, now) {
      const committed = await committedIds(pool)
      for (const { id, flow, attemptedAt, ackedAt, failed } of ledger.messages.values()) {
        if (flow === 'f' || attemptedAt === undefined || ackedAt !== undefined || failed === 'notSent') continue
        applyLine(ledger, 'database', committed.has(id) ? `k ${id} 1 ${now()}` : `f ${id} notSent ASKED_LATER ${now()}`)
      }
    },
    async drained(patienceMs) {
      const expected = [...effectsOf(await committedIds(pool))].length
      let before = ''
      let since = performance.now()
      for (;;) {
        const [waiting = 0, effects = 0] = await counts(pool)
        if (waiting === 0 && effects >= expected) return
        const state = `${waiting} ${effects}`
        if (state !== before) since = performance.now()
        if (performance.now() - since > patienceMs) return
        before = state
        await sleep(pollMs)
      }
    },
    missingRelays: (expected) => missingRelays(pool, expected),
    finish: () => finish(pool),
    diagnose: () => diagnose(pool),
    close: () => pool.end(),
  }
}

async function committedIds(pool: Pool): Promise<Set<string>> {
  return new Set(await textsOf(pool, `select id from ${runSchema}.written`))
}

async function counts(pool: Pool): Promise<number[]> {
  const [waiting, effects] = await Promise.all([
    textsOf(
      pool,
      'select ((select count(*) from posthorn.outbox) + (select count(*) from posthorn.outbox_scheduled))::text',
    ),
    textsOf(pool, `select count(*)::text from ${runSchema}.effect`),
  ])
  return [...waiting, ...effects].map(Number)
}

async function missingRelays(pool: Pool, expected: number): Promise<readonly string[]> {
  const end = performance.now() + settleMs
  for (;;) {
    const owners = await textsOf(
      pool,
      "select coalesce(case when expires_at > now() then owner end, 'nobody') from posthorn.outbox_lease",
    )
    const free = owners.filter((owner) => owner === 'nobody').length
    const relays = new Set(owners).size
    if (free === 0 && relays === expected) return []
    if (performance.now() > end) return [`${free} partitions have no relay, and the others ${relays} of ${expected}`]
    await sleep(pollMs)
  }
}

async function finish(pool: Pool): Promise<DatabaseFacts> {
  const bounds = await lastingSessions(pool)
  const { rows } = await pool.query<{ id: string; count: string }>(
    `select id, count(*)::text as count from ${runSchema}.effect group by id`,
  )
  return {
    committed: await committedIds(pool),
    effects: new Map(rows.map(({ id, count }) => [id, Number(count)])),
    waiting: await textsOf(
      pool,
      'select event_id from posthorn.outbox union all select event_id from posthorn.outbox_scheduled',
    ),
    leftBehind: await textsOf(
      pool,
      `select format('partition %s is leased by %s, which has ended', partition, owner) from posthorn.outbox_lease
       where owner is not null and expires_at > now()
       union all select format('the key %s waits or is parked', key) from posthorn.outbox_key`,
    ),
    bounds,
  }
}

/** Connections that are still there when their processes have ended. */
async function lastingSessions(pool: Pool): Promise<string[]> {
  const end = performance.now() + goneMs
  for (;;) {
    const names = await textsOf(
      pool,
      `select application_name from pg_stat_activity
       where backend_type = 'client backend' and application_name <> '${auditor}'`,
    )
    if (names.length === 0 || performance.now() > end) return names.map((name) => `${name} left a connection behind`)
    await sleep(pollMs)
  }
}

async function diagnose(pool: Pool): Promise<string> {
  const questions = [
    'select * from pg_stat_activity order by application_name',
    'select * from posthorn.outbox_lease order by partition',
    'select * from posthorn.outbox_relay',
    'select * from posthorn.outbox_key',
    'select partition, count(*), min(id), max(id) from posthorn.outbox group by partition',
  ]
  const answers: unknown[] = []
  for (const question of questions) answers.push({ question, rows: (await pool.query(question)).rows })
  return JSON.stringify(answers, undefined, 1)
}

/** The first column. */
async function textsOf(pool: Pool, text: string): Promise<string[]> {
  const { rows } = await pool.query<string[]>({ text, rowMode: 'array' })
  return rows.map(([value]) => String(value))
}
