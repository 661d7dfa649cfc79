import { ConfigurationError, on, onBatch } from '@posthorn/core'
import type {
  BatchItem,
  BatchOptions,
  Contract,
  HandlerRegistration,
  HandlerResult,
  IncomingMessage,
} from '@posthorn/core'
import type { Inbox } from './inbox.js'
import type { BatchInboxContext, InboxContext } from './inboxContext.js'

/** `on` and `onBatch` for handlers whose effects happen once. */
export interface InboxHandlers<Tx, Options> {
  /**
   * Handles messages of one contract, each in a transaction that also remembers it. Completing and discarding commit; a throw,
   * `retryAfter` and `deadLetter` roll back, and the message counts as not handled. Throws a `ConfigurationError`.
   */
  on<Data>(
    contract: Contract<Data>,
    handler: (
      message: IncomingMessage<Data>,
      context: InboxContext<Tx, Options>,
    ) => HandlerResult | Promise<HandlerResult>,
  ): HandlerRegistration
  /**
   * Handles messages of one contract in batches, each batch in one transaction: it commits for all of them or for none, so that
   * the handler returns nothing, or throws. Messages that were handled before are not among the items.
   */
  onBatch<Data>(
    contract: Contract<Data>,
    handler: (items: readonly BatchItem<Data>[], context: BatchInboxContext<Tx, Options>) => void | Promise<void>,
    options?: BatchOptions,
  ): HandlerRegistration
}

/** Makes handlers that run in the transactions of an inbox, `context.tx`. Throws a `ConfigurationError`. */
export function handlersWith<Tx, Options>(inbox: Inbox<Tx, Options>): InboxHandlers<Tx, Options> {
  const run = (inbox as Partial<Inbox<Tx, Options>> | undefined)?.run
  if (run === undefined) throw new ConfigurationError('handlersWith()', ['the inbox must be made by createInbox'])
  return {
    on: (contract, handler) =>
      on(contract, (message, context) =>
        run.one(message, context, (own) => handler(message, own as InboxContext<Tx, Options>)),
      ),
    onBatch: <Data>(
      contract: Contract<Data>,
      handler: (items: readonly BatchItem<Data>[], context: BatchInboxContext<Tx, Options>) => void | Promise<void>,
      options?: BatchOptions,
    ) =>
      onBatch(
        contract,
        (items, context) => run.many(items, context, (fresh, own) => handler(fresh as readonly BatchItem<Data>[], own)),
        options,
      ),
  }
}
