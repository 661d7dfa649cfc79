import type { BatchItem, IncomingMessage, Outcome } from '@posthorn/core'
import { complete, deadLetter, NonRetryableError } from '@posthorn/core'
import { isOutcome, OutboxError } from '@posthorn/core/adapter'
import { TransactionContext } from './inboxContext.js'
import type { OuterContext } from './inboxContext.js'
import type { Outbox } from './outbox.js'
import { outlastOutage } from './outlastOutage.js'
import type { InboxStore, InboxVerdict } from './ports.js'
import { inboxKeyOf, rememberAll } from './rememberedKeys.js'

/** What an inbox has done since it was made; what was rolled back is not counted. */
export interface InboxCounts {
  /** Messages that were handled, and are remembered. */
  readonly handled: number
  /** Deliveries of messages that were handled before: completed without a call of the handler. */
  readonly duplicates: number
  /** Messages older than what is remembered. */
  readonly expired: number
}

/** Runs handlers within transactions that remember their messages. */
export interface InboxRun<Tx> {
  readonly counts: InboxCounts
  one(
    message: IncomingMessage,
    context: OuterContext,
    handler: (context: TransactionContext<Tx>) => unknown,
  ): Promise<Outcome>
  /** `handler` gets those that are new, and is not called without any. */
  many(
    items: readonly BatchItem[],
    context: OuterContext,
    handler: (items: readonly BatchItem[], context: TransactionContext<Tx>) => unknown,
  ): Promise<readonly Outcome[]>
}

export interface InboxRunOptions<Tx> {
  readonly store: InboxStore<Tx>
  readonly outbox: Outbox<Tx> | undefined
  readonly expired: 'deadLetter' | 'handle'
  /** Called with each call of a handler. */
  readonly noteCall: (context: OuterContext) => void
}

export function createInboxRun<Tx>({ store, outbox, expired, noteCall }: InboxRunOptions<Tx>): InboxRun<Tx> {
  const counts = { handled: 0, duplicates: 0, expired: 0 }

  async function call(
    { outer, tx, items }: { outer: OuterContext; tx: Tx; items: readonly IncomingMessage[] },
    handler: (context: TransactionContext<Tx>) => unknown,
  ): Promise<unknown> {
    const context = new TransactionContext(outer, tx, { outbox, items })
    try {
      const result = await handler(context)
      await context.end()
      return result
    } catch (error) {
      await context.end().catch(() => {}) // The handler's own error says more.
      throw error
    }
  }

  function count(verdict: InboxVerdict): void {
    if (verdict === 'duplicate') counts.duplicates += 1
    if (verdict === 'expired') counts.expired += 1
    if (isWanted(verdict)) counts.handled += 1
  }

  const transaction = <Result>(
    outer: OuterContext,
    wasCalled: () => boolean,
    work: (tx: Tx) => Promise<Result>,
  ): Promise<Result> => outlastOutage(() => store.transaction(work), { wasCalled, signal: () => outer.signal })

  const isWanted = (verdict: InboxVerdict): boolean =>
    verdict === 'new' || (verdict === 'expired' && expired === 'handle')

  return {
    counts,
    async one(message, outer, handler) {
      let refused: Outcome | undefined
      let called = false
      noteCall(outer)
      try {
        const done = await transaction(
          outer,
          () => called,
          async (tx) => {
            const verdict = (await rememberAll(store, tx, [inboxKeyOf(outer.group, message.envelope)]))[0]!
            if (!isWanted(verdict)) return { verdict, outcome: verdict === 'duplicate' ? complete() : tooOld(message) }
            called = true
            const outcome = outcomeOf(await call({ outer, tx, items: [message] }, handler))
            if (commits(outcome)) return { verdict, outcome }
            refused = outcome
            throw rollBack
          },
        )
        count(done.verdict)
        return done.outcome
      } catch (error) {
        // Whatever the rollback came to, nothing was committed.
        if (refused !== undefined) return refused
        throw error
      }
    },
    async many(items, outer, handler) {
      let called = false
      noteCall(outer)
      const verdicts = await transaction(
        outer,
        () => called,
        async (tx) => {
          const keys = items.map(({ envelope }) => inboxKeyOf(outer.group, envelope))
          const told = await rememberAll(store, tx, keys)
          const wanted = items.filter((_, index) => isWanted(told[index]!))
          if (wanted.length > 0) {
            called = true
            refuseOutcomes(await call({ outer, tx, items: wanted }, (context) => handler(wanted, context)))
          }
          return told
        },
      )
      for (const verdict of verdicts) count(verdict)
      return verdicts.map((verdict, index) =>
        verdict === 'expired' && !isWanted(verdict) ? tooOld(items[index]!) : complete(),
      )
    },
  }
}

/** Ends a transaction whose handler wants its message settled otherwise than handled. */
const rollBack = new Error('The handler asked for another outcome; its transaction is rolled back')

/** What was put aside or comes again was not handled: it must not be remembered. */
const commits = (outcome: Outcome): boolean => outcome.kind === 'complete' || outcome.kind === 'discard'

/** Judged before the commit: a handler that returned nonsense has not handled its message. */
function outcomeOf(result: unknown): Outcome {
  if (result === undefined) return complete()
  if (isOutcome(result)) return result
  throw wrongResult(
    'returned what is no outcome; return nothing, or what complete(), retryAfter(), deadLetter() or discard() make',
  )
}

/** One transaction commits or does not: no item of a batch can be settled unlike the others. */
function refuseOutcomes(result: unknown): void {
  const list: readonly unknown[] = Array.isArray(result) ? Array.from(result) : [result]
  const isFine = list.every((one) => one === undefined || (isOutcome(one) && one.kind === 'complete'))
  if (isFine) return
  throw wrongResult(
    'of a batch with an inbox returned outcomes; its transaction commits for all or for none: return nothing, or throw',
  )
}

function wrongResult(what: string): NonRetryableError {
  return new NonRetryableError(`The handler ${what}`, { code: 'POSTHORN_HANDLER_RESULT' })
}

function tooOld({ envelope }: IncomingMessage): Outcome {
  const message =
    `POSTHORN_INBOX_EXPIRED: a message of ${envelope.type} from ${envelope.time ?? 'an unknown time'} is older than the inbox ` +
    "remembers, so nobody knows whether it was handled; make the retention longer, or allow it with expired: 'handle'"
  return deadLetter(message, new OutboxError({ code: 'POSTHORN_INBOX_EXPIRED', message }))
}
