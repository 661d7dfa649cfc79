import type { Contract } from '@posthorn/core'
import {
  callable,
  ConfigurationError,
  createMessageFactory,
  messageFactoryProblems,
  messageFactoryRules,
  object,
  optionProblems,
  OutboxError,
  refuseProblems,
} from '@posthorn/core/adapter'
import type { LaterMessageOptions, MessageFactoryOptions } from '@posthorn/core/adapter'
import type { NewEntry, OutboxWriter } from './ports.js'

/** How one message is stored: as for `publish`, and when it may leave at the earliest. */
export type OutboxPublishOptions = LaterMessageOptions

/** What an outbox is made from. */
export interface OutboxOptions<Tx> extends MessageFactoryOptions {
  /** Where entries are written, with the caller's transaction. */
  readonly store: OutboxWriter<Tx>
}

/** What is known of a message that is stored: whether anybody receives it is not. */
export interface OutboxResult {
  readonly id: string
}

/** Publishes with a transaction of the database, made by `createOutbox`. */
export interface Outbox<Tx> {
  /**
   * Stores the message as part of the transaction: it is published if the transaction commits, and only then. Rejects before
   * anything is written with what `service.publish` would reject with for a bad message, and with `POSTHORN_NO_TRANSACTION`
   * for a handle in no transaction; the transaction can go on. Messages of one partition key are published in the order in which
   * they were stored.
   */
  publish<Data>(tx: Tx, contract: Contract<Data>, data: Data, options?: OutboxPublishOptions): Promise<OutboxResult>
  /** Stores a list with one statement, results in the list's order. All are validated before anything is written. */
  publishMany<Data>(
    tx: Tx,
    contract: Contract<Data>,
    list: readonly Data[],
    options?: Omit<OutboxPublishOptions, 'id'>,
  ): Promise<OutboxResult[]>
}

const none: OutboxPublishOptions = Object.freeze({})

/** Makes an outbox; throws a `ConfigurationError` that lists all problems. Without I/O. */
export function createOutbox<Tx>(options: OutboxOptions<Tx>): Outbox<Tx> {
  refuseProblems('The outbox', outboxProblems(options))
  const { store, ...factoryOptions } = options
  const factory = createMessageFactory(factoryOptions)

  function entryOf(contract: Contract, data: unknown, entryOptions: OutboxPublishOptions): NewEntry {
    const { message, mustRoute } = factory.make(contract, data, entryOptions)
    const entry = { destination: contract.destination, message, mustRoute }
    return entryOptions.notBefore === undefined ? entry : { ...entry, notBefore: entryOptions.notBefore }
  }

  async function write(tx: Tx, entries: readonly NewEntry[]): Promise<OutboxResult[]> {
    if (tx === undefined || tx === null) throw noHandle()
    if (entries.length > 0) await store.insert(tx, entries)
    return entries.map(({ message }) => ({ id: message.id }))
  }

  return {
    async publish(tx, contract, data, entryOptions = none) {
      const [result] = await write(tx, [entryOf(contract, data, entryOptions)])
      return result!
    },
    async publishMany(tx, contract, list, entryOptions = none) {
      if ('id' in entryOptions)
        throw new ConfigurationError('publishMany', ['options.id would be the id of every message'])
      return write(
        tx,
        list.map((data) => entryOf(contract, data, entryOptions)),
      )
    },
  }
}

function outboxProblems<Tx>(options: OutboxOptions<Tx>): string[] {
  const rules = { ...messageFactoryRules, store: object }
  const problems = optionProblems('', options, rules, ['source', 'store'])
  if (typeof options !== 'object' || options === null) return problems
  const insert: unknown = (options.store as Partial<OutboxWriter<Tx>> | undefined)?.insert
  if (options.store !== undefined)
    problems.push(...optionProblems('store', { insert }, { insert: callable }, ['insert']))
  return [...problems, ...messageFactoryProblems(options)]
}

function noHandle(): OutboxError {
  return new OutboxError({
    code: 'POSTHORN_NO_TRANSACTION',
    message: 'The outbox was given no transaction; give the handle that the callback of your transaction was given',
  })
}
