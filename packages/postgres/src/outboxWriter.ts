import { EnvelopeValidationError } from '@posthorn/core'
import type { ValidationIssue } from '@posthorn/core'
import { partitionOf } from '@posthorn/outbox'
import type { NewEntry, OutboxWriter } from '@posthorn/outbox'
import type { Queries, Value } from './database.js'
import { mapped } from './errorMapping.js'
import type { Executor } from './executors/executor.js'
import { quoted } from './options.js'
import type { NormalStoreOptions } from './options.js'
import { checkSchema } from './schemaCheck.js'
import { channelOf, insertStatement, lockKeysStatement } from './sql/writerStatements.js'

const needed = [
  { table: 'outbox', right: 'insert' },
  { table: 'outbox_scheduled', right: 'insert' },
] as const

/** PostgreSQL takes 65,535 parameters in a statement, and a row has ten. */
const maxRowsPerStatement = 5_000

/** The side of services on PostgreSQL. */
export function outboxWriter<Tx>(executor: Executor<Tx>, options: NormalStoreOptions): OutboxWriter<Tx> {
  const s = quoted(options.schema)
  const channel = options.notify ? channelOf(options.schema) : undefined
  const insertOne = insertStatement(s, { nowCount: 1, laterCount: 0, channel })
  let partitionCount: number | undefined
  return {
    async insert(tx, entries) {
      for (const entry of entries) refuseUnstorable(entry)
      await mapped(
        'Storing entries in the outbox',
        async () => {
          const queries = await executor.bind(tx)
          if (entries.length === 0) return
          partitionCount ??= (await checkSchema(queries, s, needed)).partitionCount
          if (options.lockKeys) await lockKeys(queries, options.schema, entries)
          for (let start = 0; start < entries.length; start += maxRowsPerStatement) {
            await store(queries, entries.slice(start, start + maxRowsPerStatement), {
              s,
              partitionCount,
              channel,
              insertOne,
            })
          }
        },
        'transaction',
      )
    },
  }
}

interface Place {
  readonly s: string
  readonly partitionCount: number
  readonly channel: string | undefined
  /** The usual statement. */
  readonly insertOne: string
}

async function store(queries: Queries, entries: readonly NewEntry[], place: Place): Promise<void> {
  const { partitionCount } = place
  const [first] = entries
  if (entries.length === 1 && first !== undefined && first.notBefore === undefined) {
    await queries.query(place.insertOne, valuesOf(first, partitionCount))
    return
  }
  const now = entries.filter(({ notBefore }) => notBefore === undefined)
  const later = entries.filter(({ notBefore }) => notBefore !== undefined)
  const values = [
    ...now.flatMap((entry) => valuesOf(entry, partitionCount)),
    ...later.flatMap((entry) => [...valuesOf(entry, partitionCount), entry.notBefore?.toISOString() ?? null]),
  ]
  const statement = insertStatement(place.s, { nowCount: now.length, laterCount: later.length, channel: place.channel })
  await queries.query(statement, values)
}

function valuesOf({ destination, message, mustRoute }: NewEntry, partitionCount: number): Value[] {
  const { id, type, partitionKey, contentType, body, headers } = message
  const partition = partitionOf(partitionKey ?? id, partitionCount)
  return [partition, id, destination, partitionKey ?? null, type, contentType, body, JSON.stringify(headers), mustRoute]
}

async function lockKeys(queries: Queries, schema: string, entries: readonly NewEntry[]): Promise<void> {
  const keys = new Set(entries.flatMap(({ message }) => message.partitionKey ?? []))
  if (keys.size > 0) await queries.query(lockKeysStatement, [schema, JSON.stringify([...keys])])
}

// With the flag u, the last range finds unpaired surrogates only.
// oxlint-disable-next-line no-control-regex
const unstorable = /[\u0000\ud800-\udfff]/u

/** An index of PostgreSQL takes 2,704 bytes in a row, and a key that is parked, or an id in its place, stands in one. */
const maxKeyBytes = 2_048

/** Before anything is written: a statement that fails would end the caller's transaction. */
function refuseUnstorable({ message }: NewEntry): void {
  const { id, type, partitionKey, contentType, headers } = message
  const texts = [id, type, partitionKey ?? '', contentType, ...Object.keys(headers), ...Object.values(headers)]
  const problem =
    id === ''
      ? 'An empty message id would make different messages one'
      : texts.some((text) => unstorable.test(text))
        ? 'PostgreSQL keeps no text with NUL characters or unpaired surrogates'
        : undefined
  if (problem !== undefined) throw refusal(problem)
  refuseLong('message id', '/id', { value: id, id })
  if (partitionKey !== undefined) refuseLong('partition key', '/partitionkey', { value: partitionKey, id })
}

/** Its key could not be parked: an entry that nobody takes would be sent for ever. */
function refuseLong(
  what: string,
  pointer: string,
  { value, id }: { readonly value: string; readonly id: string },
): void {
  const bytes = Buffer.byteLength(value)
  if (bytes <= maxKeyBytes) return
  const problem = `The ${what} of message ${id.slice(0, 100)} has ${bytes} bytes, and the outbox takes ${maxKeyBytes}`
  throw refusal(problem, [{ pointer, keyword: 'maxLength', message: `must have at most ${maxKeyBytes} bytes` }])
}

function refusal(problem: string, issues: readonly ValidationIssue[] = []): EnvelopeValidationError {
  const message = `${problem}; nothing was written.`
  return new EnvelopeValidationError({ code: 'POSTHORN_INVALID_ENVELOPE', message, issues })
}
