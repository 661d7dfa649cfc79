import type {
  BatchContext,
  BatchItem,
  Contract,
  FollowUpOptions,
  HandlerContext,
  IncomingMessage,
  Logger,
  PublishResult,
} from '@posthorn/core'
import { createFollowUps, OutboxError } from '@posthorn/core/adapter'
import type { Outbox, OutboxPublishOptions } from './outbox.js'

/** How a handler publishes through an outbox: as `OutboxPublishOptions`, plus what tells one of its messages from another. */
export interface OutboxFollowUpOptions extends OutboxPublishOptions {
  /** Tells apart two messages of one type and key that one handler publishes. */
  readonly step?: string
}

/** What surrounds one call of a handler with an inbox. `Options` are those of its `publish`. */
export interface InboxContext<Tx, Options = FollowUpOptions> extends Omit<HandlerContext, 'publish'> {
  /** The transaction that remembers the message: what is written with it is committed together with that. */
  readonly tx: Tx
  /**
   * Publishes a message that this one caused. With an outbox it is stored in `tx`, and `routed` is undefined; without one
   * it leaves at once, also when the transaction is rolled back later.
   */
  publish<Data>(contract: Contract<Data>, data: Data, options?: Options): Promise<PublishResult>
}

/** What surrounds one call of a batch handler with an inbox. */
export interface BatchInboxContext<Tx, Options = FollowUpOptions> extends Omit<BatchContext, 'publish'> {
  /** One transaction for the whole batch. */
  readonly tx: Tx
  /** As in `InboxContext`; `causedBy` names the item that is the cause. */
  publish<Data>(
    contract: Contract<Data>,
    data: Data,
    options: Options & { readonly causedBy: BatchItem },
  ): Promise<PublishResult>
}

/** What a consumer gives to handlers of either kind. */
export type OuterContext = HandlerContext | BatchContext

type AnyPublish = <Data>(contract: Contract<Data>, data: Data, options?: object) => Promise<PublishResult>

/** One call of a handler: what the consumer gives it, with the transaction, and with another way to publish. */
export class TransactionContext<Tx> implements InboxContext<Tx, object>, BatchInboxContext<Tx, object> {
  readonly #outer: OuterContext
  readonly tx: Tx
  readonly publish: AnyPublish
  readonly #pending = new Set<Promise<unknown>>()
  #ended = false

  constructor(
    outer: OuterContext,
    tx: Tx,
    via: { readonly outbox: Outbox<Tx> | undefined; readonly items: readonly IncomingMessage[] },
  ) {
    this.#outer = outer
    this.tx = tx
    const { outbox, items } = via
    this.publish =
      outbox === undefined
        ? (contract, data, options) => (outer as HandlerContext).publish(contract, data, options)
        : this.#publishInto(outbox, items)
  }

  get attempt(): number {
    return this.#outer.attempt
  }

  get destination(): string {
    return this.#outer.destination
  }

  get group(): string {
    return this.#outer.group
  }

  get headers(): Readonly<Record<string, string>> {
    return (this.#outer as HandlerContext).headers
  }

  get signal(): AbortSignal {
    return this.#outer.signal
  }

  get logger(): Logger {
    return this.#outer.logger
  }

  /**
   * Nothing is written with the transaction after this: its connection may be somebody else's by then. What the handler did not
   * wait for is waited for here; rejects with the first of it that failed, since nobody else will hear of that.
   */
  async end(): Promise<void> {
    this.#ended = true
    const failed = (await Promise.allSettled(this.#pending)).find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  #publishInto(outbox: Outbox<Tx>, items: readonly IncomingMessage[]): AnyPublish {
    const followUps = createFollowUps(this.#outer.group, items)
    return (contract, data, options = {}) => {
      if (this.#ended) return Promise.reject(ended())
      const stored = followUps.publish({ contract, data, options }, (...message) => outbox.publish(this.tx, ...message))
      const published = stored.then(({ id }) => ({ id, routed: undefined }))
      this.#pending.add(published)
      const forget = (): void => void this.#pending.delete(published)
      stored.then(forget, forget) // Not of `published`: a rejection that the handler does not see must not count as seen.
      return published
    }
  }
}

function ended(): OutboxError {
  return new OutboxError({
    code: 'POSTHORN_NO_TRANSACTION',
    message: 'The transaction of this handler has ended; await context.publish() before the handler returns',
  })
}
