import { NonRetryableError } from '../errors.js'
import type { Contract } from '@posthorn/contracts'
import type { BatchItem, HandlerContext, HandlerRegistration } from './handler.js'
import type { BatchContext } from './handler.js'
import { complete, isOutcome } from './outcome.js'
import type { Outcome } from './outcome.js'

declare const handledBrand: unique symbol

/** The outcomes of one handler call, one per item. Only `next` and `handledAs` make one: a middleware that forgets to return it does not compile. */
export interface Handled {
  readonly [handledBrand]: true
  readonly outcomes: readonly Outcome[]
}

/** One call of a handler as a middleware sees it. */
export interface HandlerCall {
  readonly contract: Contract
  /** One item, or the items of a batch. */
  readonly items: readonly BatchItem[]
  readonly context: HandlerContext & BatchContext
}

/**
 * A function around a handler. It may act before and after `next`, catch what `next` throws (a user's error, never
 * wrapped), or answer itself with `handledAs`.
 */
export type Middleware = (call: HandlerCall, next: () => Promise<Handled>) => Promise<Handled>

/** Settles all items of a call one way, in place of the handler. */
export function handledAs(call: HandlerCall, outcome: Outcome): Handled {
  return { outcomes: call.items.map(() => outcome) } as unknown as Handled
}

/** A handler with its middleware. */
export interface Invoke {
  /** Calls it; gives what it returned, or a promise of that. */
  readonly call: (call: HandlerCall) => unknown
  /** Reads what `call` returned, or its promise resolved to; throws `POSTHORN_HANDLER_RESULT` for what is no outcome. */
  readonly outcomesOf: (result: unknown, count: number) => readonly Outcome[]
}

/** Wraps a handler in middleware, the first outermost; made once per registration. */
export function compose(registration: HandlerRegistration, middleware: readonly Middleware[]): Invoke {
  const read = (result: unknown, count: number): readonly Outcome[] => outcomesOf(registration, count, result)
  // Without middleware no promise stands between the handler and the pipeline.
  if (middleware.length === 0) {
    return { call: (call) => registration.call(call.items, call.context), outcomesOf: read }
  }
  type Step = (call: HandlerCall) => Promise<Handled>
  const innermost: Step = async (call) => {
    const result: unknown = await registration.call(call.items, call.context)
    return { outcomes: read(result, call.items.length) } as unknown as Handled
  }
  const chain = middleware.reduceRight<Step>((next, current) => (call) => current(call, () => next(call)), innermost)
  return { call: chain, outcomesOf: (result, count) => outcomesOfHandled(registration, count, result) }
}

const done = Object.freeze([complete()])

function outcomesOf(registration: HandlerRegistration, count: number, value: unknown): readonly Outcome[] {
  if (value === undefined) return count === 1 ? done : Array.from({ length: count }, complete)
  if (registration.batch === undefined) {
    if (isOutcome(value)) return [value]
  } else if (Array.isArray(value) && value.length === count) {
    // Array.from sees the holes of a sparse list, which map and every pass over.
    const outcomes = Array.from(value, (outcome: unknown) => (outcome === undefined ? complete() : outcome))
    if (outcomes.every(isOutcome)) return outcomes
  }
  throw wrongResult(registration, 'handler')
}

function outcomesOfHandled(registration: HandlerRegistration, count: number, handled: unknown): readonly Outcome[] {
  const outcomes: unknown = (handled as Handled | undefined)?.outcomes
  if (Array.isArray(outcomes) && outcomes.length === count) {
    const all: unknown[] = Array.from(outcomes)
    if (all.every(isOutcome)) return all
  }
  throw wrongResult(registration, 'middleware')
}

function wrongResult(registration: HandlerRegistration, who: string): NonRetryableError {
  return new NonRetryableError(
    `The ${who} of ${registration.contract.type} returned what is no outcome; return nothing, or what complete(), ` +
      'retryAfter(), deadLetter() or discard() make',
    { code: 'POSTHORN_HANDLER_RESULT' },
  )
}
