import type { EntryRef, Lease, LeaseView, OutboxEntry, ParkedKey, RelayStore } from '@posthorn/outbox'
import type { Database, Row, Value } from './database.js'
import { mapped } from './errorMapping.js'
import { quoted } from './options.js'
import type { NormalStoreOptions } from './options.js'
import { entryOf, text, wholeNumberOf } from './rows.js'
import { checkSchema } from './schemaCheck.js'
import type { NeededRight } from './schemaCheck.js'
import { relayStatements } from './sql/relayStatements.js'
import type { RelayStatements } from './sql/relayStatements.js'
import { channelOf } from './sql/writerStatements.js'

const needed: readonly NeededRight[] = [
  { table: 'outbox', right: 'select' },
  { table: 'outbox', right: 'delete' },
  { table: 'outbox_scheduled', right: 'select' },
  { table: 'outbox_lease', right: 'select' },
  { table: 'outbox_lease', right: 'update' },
  ...(['outbox_relay', 'outbox_key'] as const).flatMap((table) =>
    (['select', 'insert', 'update', 'delete'] as const).map((right) => ({ table, right })),
  ),
]

type Ask = (what: string, text: string, values: readonly Value[]) => Promise<readonly Row[]>

/** The side of relays on PostgreSQL: each call is one statement, on any connection. */
export function relayStore(database: Database, options: NormalStoreOptions): RelayStore {
  const s = quoted(options.schema)
  const sql = relayStatements(s)
  const channel = channelOf(options.schema)
  const ask: Ask = (what, statement, values) => mapped(what, () => database.query(statement, values))
  const listeners = new Set<{ close(): Promise<void> }>()
  return {
    prepare: () => mapped('Checking the schema of the outbox', () => checkSchema(database, s, needed)),
    ...leasing(ask, sql),
    ...entries(ask, sql),
    ...operating(ask, sql, options.notify ? `select pg_notify('${channel}', '')` : undefined),
    async stats() {
      const [row] = await ask('Counting the outbox', sql.stats, [options.maxDepthCount])
      const scheduled = wholeNumberOf(row?.['scheduled'])
      const depth = Math.min(wholeNumberOf(row?.['waiting']) + scheduled, options.maxDepthCount)
      const oldestMs = Math.max(wholeNumberOf(row?.['oldest_ms']), 0)
      return {
        depth,
        oldestMs,
        parkedKeys: wholeNumberOf(row?.['parked_keys']),
        scheduled,
        deadRows: wholeNumberOf(row?.['dead_rows']),
        horizonAge: wholeNumberOf(row?.['horizon_age']),
      }
    },
    async listen(events) {
      if (!options.notify) return undefined
      const listener = await mapped('Listening for new entries', () => database.listen(channel, events))
      if (listener !== undefined) listeners.add(listener)
      return listener
    },
    async close() {
      await Promise.all([...listeners].map((listener) => listener.close()))
      listeners.clear()
    },
  }
}

function leasing(ask: Ask, sql: RelayStatements): Pick<RelayStore, 'renew' | 'giveBack' | 'leave' | 'releaseDue'> {
  return {
    async renew(relay, leaseMs) {
      const [row] = await ask('Renewing leases', sql.renew, [relay, leaseMs])
      return viewOf(row)
    },
    async giveBack(relay, leases) {
      if (leases.length === 0) return
      await ask('Giving leases back', sql.giveBack, [relay, ...leaseLists(leases)])
    },
    async leave(relay) {
      await ask('Leaving', sql.leave, [relay])
    },
    async releaseDue(leases, maxCount) {
      if (leases.length === 0) return 0
      const [row] = await ask('Releasing entries that are due', sql.releaseDue, [...leaseLists(leases), maxCount])
      return wholeNumberOf(row?.['count'])
    },
  }
}

function entries(ask: Ask, sql: RelayStatements): Pick<RelayStore, 'read' | 'remove' | 'fail'> {
  let readStatement = sql.read

  /** Somebody else than the outbox has written a body that is no text: from then on all are read as bytes. */
  async function readRows(values: readonly Value[]): Promise<readonly Row[]> {
    const statement = readStatement
    try {
      return await ask('Reading the outbox', statement, values)
    } catch (error) {
      if (statement === sql.readBytes || !isNoText(error)) throw error
      readStatement = sql.readBytes
      return ask('Reading the outbox', readStatement, values)
    }
  }

  return {
    async read({ relay, leases, except, exceptKeys, maxCount, maxCountPerPartition, maxBytes }) {
      if (leases.length === 0) return []
      const ids = listOf(except.map(({ id }) => id))
      const keys = JSON.stringify(exceptKeys.map(({ partition, key }) => [partition, key]))
      const limits = [maxCountPerPartition, maxCount, maxBytes]
      const rows = await readRows([relay, ...leaseLists(leases), ids, keys, ...limits])
      return rows.map(entryOf).toSorted(inOrder)
    },
    async remove(relay, refs) {
      if (refs.length === 0) return 0
      const ids = listOf(refs.map(({ id }) => id))
      const [row] = await ask('Deleting published entries', sql.remove, [relay, ...leaseLists(refs), ids])
      return wholeNumberOf(row?.['count'])
    },
    async fail(relay, entry, failure, { maxAttempts, retryAfterMs }) {
      const { partition, fence, id } = entry
      const place = [relay, partition, String(fence), String(id)]
      const reason = [storable(failure.code), storable(failure.message)]
      const [row] = await ask('Counting a failure', sql.fail, [...place, ...reason, maxAttempts, retryAfterMs])
      return { attempts: wholeNumberOf(row?.['attempts']), parked: row?.['parked'] === 'true' }
    },
  }
}

function operating(
  ask: Ask,
  sql: RelayStatements,
  hint: string | undefined,
): Pick<RelayStore, 'parkedKeys' | 'decide'> {
  return {
    async parkedKeys(limit = 100) {
      return (await ask('Listing parked keys', sql.parkedKeys, [limit])).map(parkedKeyOf)
    },
    async decide({ partition, key }, decision) {
      const [row] = await ask('Deciding about a parked key', sql[decision], [partition, key])
      if (wholeNumberOf(row?.['decided']) === 0) return false
      // The decision stands; a hint that fails costs one poll.
      if (hint !== undefined) await ask('Telling the relays', hint, []).catch(() => {})
      return wholeNumberOf(row?.['count'])
    },
  }
}

function viewOf(row: Row | undefined): LeaseView {
  const partitions = numbersOf(row?.['partitions'])
  const fences = numbersOf(row?.['fences'])
  const nextDue = row?.['next_due_ms'] ?? undefined
  return {
    leases: partitions.map((partition, index) => ({ partition: Number(partition), fence: BigInt(fences[index] ?? 0) })),
    share: wholeNumberOf(row?.['share']),
    relays: wholeNumberOf(row?.['relays']),
    nextDueMs: nextDue === undefined ? undefined : Math.max(wholeNumberOf(nextDue), 0),
  }
}

function parkedKeyOf(row: Row): ParkedKey {
  return {
    partition: wholeNumberOf(row['partition']),
    key: text(row['key']),
    entryId: BigInt(text(row['entry_id'])),
    messageId: text(row['event_id']),
    destination: text(row['destination']),
    type: text(row['type']),
    attempts: wholeNumberOf(row['attempts']),
    failure: { code: text(row['failure_code']), message: text(row['failure_message']) },
    parkedAt: new Date(wholeNumberOf(row['parked_at'])),
  }
}

/** Of one partition by id; partitions in any order that is one. */
const inOrder = (left: OutboxEntry, right: OutboxEntry): number =>
  left.partition - right.partition || (left.id < right.id ? -1 : 1)

/** PostgreSQL's character_not_in_repertoire and untranslatable_character, of `convert_from`. */
const isNoText = (error: unknown): boolean => {
  const { code } = (error ?? {}) as { code?: unknown }
  return code === '22021' || code === '22P05'
}

const numbersOf = (list: unknown): readonly string[] => (typeof list === 'string' && list !== '' ? list.split(',') : [])

/** Lists travel as text: every driver passes it on alike, and no number loses digits. */
const listOf = (numbers: readonly (number | bigint)[]): string => numbers.join(',')

const leaseLists = (leases: readonly (Lease | EntryRef)[]): [string, string] => [
  listOf(leases.map(({ partition }) => partition)),
  listOf(leases.map(({ fence }) => fence)),
]

/** An error's text may be anything, and PostgreSQL keeps no NUL; to lose the failure for it would be worse. */
const storable = (value: string): string => value.replaceAll('\u0000', ' ').slice(0, 2_000)
