import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import type { NodeControl } from '../../stack/src/index.js'
import type { FaultContext, FaultKind } from '../target.js'
import type { CommitLoss } from './commitCutter.js'
import type { OutboxProxies } from './outboxProxies.js'
import { runSchema } from './runTables.js'

/** A database that faults break. */
export interface Database {
  readonly control: NodeControl
  /** Of the server, not of a proxy. */
  readonly url: string
  readonly proxies: OutboxProxies
  /** How long a transaction stays open, in milliseconds: as long as the run allows. */
  readonly holdMs: number
}

/** What can be done to PostgreSQL. */
export function databaseFaults(database: Database): Readonly<Record<string, FaultKind>> {
  const { control, url, holdMs } = database
  return {
    databaseKilled: { minMs: 500, maxMs: 4_000, inject: () => killed(control) },
    databaseStopped: { minMs: 500, maxMs: 4_000, inject: () => stopped(database) },
    databasePaused: { minMs: 2_000, maxMs: 7_000, inject: () => paused(control) },
    backendsKilled: { minMs: 1_000, maxMs: 4_000, inject: (context) => backendsKilled(url, context) },
    listenersKilled: { minMs: 0, maxMs: 1_000, inject: () => listenersKilled(url) },
    transactionHeld: { minMs: holdMs, maxMs: holdMs, inject: (context) => transactionHeld(url, context) },
    commitsCut: { minMs: 2_000, maxMs: 5_000, inject: (context) => commitsCut(database, context) },
  }
}

async function killed(control: NodeControl): Promise<() => Promise<void>> {
  await control.kill()
  return () => control.start()
}

/** As `pg_ctl stop -m immediate` does: SIGQUIT, without a checkpoint. It recovers when it starts. */
async function stopped({ control, url }: Database): Promise<() => Promise<void>> {
  const rows = await ask<{ data_directory: string }>(url, 'show data_directory')
  const pid = Number(readFileSync(join(rows[0]!.data_directory, 'postmaster.pid'), 'utf8').split('\n')[0])
  process.kill(pid, 'SIGQUIT')
  while (isAlive(pid)) await sleep(50)
  return () => control.start()
}

function isAlive(pid: number): boolean {
  try {
    // A process that nobody has waited for is none any more.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return false
  }
}

async function paused(control: NodeControl): Promise<() => Promise<void>> {
  await control.pause()
  return () => control.resume()
}

const killedAtOnce = 3

/** Some connections, again and again, whatever they are doing. */
async function backendsKilled(url: string, { durationMs }: FaultContext): Promise<() => Promise<void>> {
  const end = performance.now() + durationMs
  const killing = (async () => {
    while (performance.now() < end) {
      await ask(url, `${terminate} where ${isClient} order by random() limit ${killedAtOnce}`)
      await sleep(300)
    }
  })()
  return () => killing
}

async function listenersKilled(url: string): Promise<() => Promise<void>> {
  const rows = await ask(url, `${terminate} where ${isClient} and (query ilike 'listen %' or query = 'select 1')`)
  if (rows.length === 0) throw new Error('Nobody listens')
  return () => Promise.resolve()
}

const terminate = 'select pg_terminate_backend(pid) from pg_stat_activity'
const isClient = "backend_type = 'client backend' and pid <> pg_backend_pid()"

/** As a report or a dump would: everything that is deleted meanwhile stays in the tables, and relays go on. */
async function transactionHeld(url: string, { counts, blame }: FaultContext): Promise<() => Promise<void>> {
  const client = new Client({ connectionString: url, application_name: 'operator' })
  client.on('error', () => {})
  await client.connect()
  await client.query('begin isolation level repeatable read')
  await client.query(`insert into ${runSchema}.held values (now())`)
  await client.query(`select count(*) from ${runSchema}.written`)
  const before = counts.done.o
  return async () => {
    if (counts.done.o === before) blame('nothing was relayed while a transaction was open')
    await client.query('commit')
    await client.end()
  }
}

/** Now and then a connection breaks just before its COMMIT arrives, or just before the answer does. */
async function commitsCut({ proxies }: Database, context: FaultContext): Promise<() => Promise<void>> {
  const { random, note } = context
  const who = random.pick(['writers', 'consumers'] as const)
  const loss: CommitLoss = random.pick(['request', 'answer'] as const)
  const cutter = proxies.cutterOf(who)
  const before = cutter.cutCount
  cutter.cut(random.between(2, 9), loss)
  return async () => {
    cutter.cut(undefined)
    const count = cutter.cutCount - before
    note(`${count} of ${who}, the ${loss}`)
    if (count === 0) throw new Error('No COMMIT was cut')
  }
}

async function ask<Row extends object>(url: string, text: string): Promise<Row[]> {
  const client = new Client({ connectionString: url, application_name: 'operator' })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query<Row>(text)).rows
  } finally {
    await client.end()
  }
}
