import type { Contract, Envelope } from '@posthorn/contracts'
import { optionProblems, refuseProblems, wholeNumber } from '../optionProblems.js'
import type { Logger } from '../logger.js'
import type { PublishOptions, PublishResult } from '../publisher/publishOptions.js'
import type { Outcome } from './outcome.js'

/** A valid message as a handler sees it. */
export interface IncomingMessage<Data = unknown> {
  readonly data: Data
  readonly envelope: Envelope<Data>
}

/** One message of a batch. */
export interface BatchItem<Data = unknown> extends IncomingMessage<Data> {
  readonly attempt: number
  readonly headers: Readonly<Record<string, string>>
}

/** How a handler publishes: as `PublishOptions`, plus what tells one of its messages from another. */
export interface FollowUpOptions extends PublishOptions {
  /** Tells apart two messages of one type and key that one handler publishes. */
  readonly step?: string
}

/** What surrounds one call of a handler. `signal` and `logger` are made when they are first read. */
export interface HandlerContext {
  /** Counts the invocations of handlers of this group for this message, from 1. */
  readonly attempt: number
  readonly destination: string
  readonly group: string
  /** The broker's headers of this hop. */
  readonly headers: Readonly<Record<string, string>>
  /** Fires when the handler's time is over, and when the service stops and cannot wait any longer. */
  readonly signal: AbortSignal
  readonly logger: Logger
  /**
   * Publishes a message that this one caused: it inherits the correlation, names its cause, and its id follows from
   * both, so that a repeated attempt repeats the id. Two messages of one type and key need a `step` each.
   */
  publish<Data>(contract: Contract<Data>, data: Data, options?: FollowUpOptions): Promise<PublishResult>
}

/** What surrounds one call of a batch handler. */
export interface BatchContext extends Omit<HandlerContext, 'publish' | 'headers'> {
  /** As in `HandlerContext`; `causedBy` names the item that is the cause. */
  publish<Data>(
    contract: Contract<Data>,
    data: Data,
    options: FollowUpOptions & { readonly causedBy: BatchItem },
  ): Promise<PublishResult>
}

/** What a handler may return: nothing completes the message. */
export type HandlerResult = void | Outcome

/** What a batch handler may return: nothing completes all, or one outcome per item, in the items' order. */
export type BatchResult = void | readonly HandlerResult[]

export type Handler<Data> = (
  message: IncomingMessage<Data>,
  context: HandlerContext,
) => HandlerResult | Promise<HandlerResult>

export type BatchHandler<Data> = (
  items: readonly BatchItem<Data>[],
  context: BatchContext,
) => BatchResult | Promise<BatchResult>

/** When a batch is handed over. */
export interface BatchOptions {
  /** At most so many items; it must fit into the consumer's `maxInFlight`. @default 100 */
  readonly maxCount?: number
  /** The first item of a batch waits at most so long for others, in milliseconds. @default 100 */
  readonly maxWaitMs?: number
}

/** A handler with its contract, as `handlers` takes it. Made by `on` and `onBatch`. */
export interface HandlerRegistration {
  readonly contract: Contract
  /** Undefined for a handler of single messages. */
  readonly batch: Required<BatchOptions> | undefined
  /** Calls the handler with one or more items; gives what it returned. */
  readonly call: (items: readonly BatchItem[], context: HandlerContext & BatchContext) => unknown
}

/** Handles messages of one contract, one at a time. Throws a `ConfigurationError`. */
export function on<Data>(contract: Contract<Data>, handler: Handler<Data>): HandlerRegistration {
  refuseProblems('on()', registrationProblems(contract, handler))
  return {
    contract,
    batch: undefined,
    call: (items, context) => handler(items[0] as BatchItem<Data>, context),
  }
}

/**
 * Handles messages of one contract in batches. Settling and attempts count per item: a returned list settles each its
 * own way, a throw fails all. In an ordered consumer a batch holds at most one message of a key.
 */
export function onBatch<Data>(
  contract: Contract<Data>,
  handler: BatchHandler<Data>,
  options: BatchOptions = {},
): HandlerRegistration {
  const problems = optionProblems('options', options, { maxCount: wholeNumber(1), maxWaitMs: wholeNumber(0) })
  refuseProblems('onBatch()', [...registrationProblems(contract, handler), ...problems])
  return {
    contract,
    batch: { maxCount: options.maxCount ?? 100, maxWaitMs: options.maxWaitMs ?? 100 },
    call: (items, context) => handler(items as readonly BatchItem<Data>[], context),
  }
}

/** A contract that is undefined is what a cycle of imports looks like. */
function registrationProblems(contract: unknown, handler: unknown): string[] {
  const problems: string[] = []
  if (typeof (contract as Contract | undefined)?.identity !== 'string') {
    problems.push('the contract must be made by defineEvent or defineCommand; undefined may come of an import cycle')
  }
  if (typeof handler !== 'function') problems.push('the handler must be a function')
  return problems
}
