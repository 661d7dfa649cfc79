import { groupProblem } from '@posthorn/contracts'
import type { ContractRegistry } from '../envelope/contractRegistry.js'
import type { EnvelopeDraft } from '../envelope/buildEnvelope.js'
import type { RawMessage } from '../envelope/wireFormat.js'
import {
  anything,
  callable,
  listOf,
  object,
  oneOf,
  optionProblems,
  wholeNumber,
  wholeNumberOrFalse,
  withDefaults,
} from '../optionProblems.js'
import type { OptionRule } from '../optionProblems.js'
import type { Subscription, Transport } from '../ports.js'
import type { HandlerRegistration } from './handler.js'
import type { Middleware } from './middleware.js'
import { createRetryPolicy, defaultDelaysMs } from './retryPolicy.js'
import type { RetryOptions, RetryPolicy } from './retryPolicy.js'

/** Keeps messages of one partition key in order. */
export interface OrderOptions {
  readonly by: 'partitionKey'
  /**
   * `holdKey`: a failed message waits in the process and holds back its key alone, so that order survives retries.
   * `overtake`: it goes through the ladder, and later messages of its key pass it. @default 'holdKey'
   */
  readonly onRetry?: 'holdKey' | 'overtake'
  /**
   * Keys that wait for a retry at once. Beyond it a failed message keeps its concurrency slot while it waits, so that
   * intake slows down instead of memory growing; below `maxInFlight`, where held messages count too. @default 50
   */
  readonly maxHeldKeys?: number
}

/** Makes an envelope of a message that is no CloudEvent; undefined when it cannot. */
export type AdoptForeign = (raw: RawMessage) => EnvelopeDraft | undefined

/** How a group consumes. */
export interface ConsumerOptions {
  /** Made by `on` and `onBatch`; a function is called at start, for dependency injection. */
  readonly handlers: readonly HandlerRegistration[] | (() => readonly HandlerRegistration[])
  readonly retry?: RetryOptions
  /** Handler calls at once. @default 16 */
  readonly concurrency?: number
  /** @default none: messages of one key run at the same time */
  readonly order?: OrderOptions
  /** When a call's signal fires; its slot and key stay taken until it settles. Milliseconds. @default 60_000, or `maxHoldMs` of the transport if that is less */
  readonly handlerTimeoutMs?: number
  /**
   * When `health().live` becomes false: handlers are past `handlerTimeoutMs`, and for so long after it nothing of the group has
   * ended or was settled, milliseconds. Shorter has a process that hangs restarted sooner, and one that is only slow, too;
   * `false` never. @default 300_000 (5 minutes)
   */
  readonly livenessTimeoutMs?: number | false
  /** Deliveries unsettled at once: higher keeps handlers busy, lower spreads a backlog evenly. @default 100, or 2 × concurrency */
  readonly maxInFlight?: number
  /** Bytes of unsettled deliveries above which delivering pauses. @default 67_108_864 (64 MiB) */
  readonly maxInFlightBytes?: number
  /** Valid messages of a type without handler. `deadLetter` also asks the broker for every type. @default 'skip' */
  readonly unhandledTypes?: 'skip' | 'deadLetter'
  /** Messages that are no CloudEvents. @default 'deadLetter' */
  readonly foreign?: 'deadLetter' | 'skip' | AdoptForeign
  /** Messages that break their schema; `warn` handles them all the same, for rollouts. @default 'deadLetter' */
  readonly validation?: 'deadLetter' | 'warn' | 'off'
  /** Redeliveries after a crash of the process that a message gets; beyond them it is put aside as `crashLoop`. @default 5 */
  readonly maxCrashes?: number
  /** Wrapped around every handler, the first outermost. */
  readonly middleware?: readonly Middleware[]
}

/** Options with every default in place. */
export interface ResolvedConsumerOptions {
  readonly retry: RetryPolicy
  readonly concurrency: number
  readonly order: Required<OrderOptions> | undefined
  readonly handlerTimeoutMs: number
  readonly livenessTimeoutMs: number | false
  readonly maxInFlight: number
  readonly maxInFlightBytes: number
  readonly unhandledTypes: 'skip' | 'deadLetter'
  readonly foreign: 'deadLetter' | 'skip' | AdoptForeign
  readonly validation: 'deadLetter' | 'warn' | 'off'
  readonly maxCrashes: number
  readonly middleware: readonly Middleware[]
}

const defaultOrder = { by: 'partitionKey', onRetry: 'holdKey', maxHeldKeys: 50 } as const

/** A minute, unless the transport takes an unsettled delivery away sooner. */
function handlerTimeoutOf({ handlerTimeoutMs }: ConsumerOptions, maxHoldMs = Infinity): number {
  // What is no number is told by its own rule.
  return typeof handlerTimeoutMs === 'number' ? handlerTimeoutMs : Math.min(60_000, maxHoldMs)
}

export function resolveConsumerOptions(options: ConsumerOptions, maxHoldMs?: number): ResolvedConsumerOptions {
  const concurrency = options.concurrency ?? 16
  return {
    retry: createRetryPolicy(options.retry ?? {}),
    concurrency,
    order: options.order && withDefaults<Required<OrderOptions>>(defaultOrder, options.order),
    handlerTimeoutMs: handlerTimeoutOf(options, maxHoldMs),
    livenessTimeoutMs: options.livenessTimeoutMs ?? 300_000,
    maxInFlight: options.maxInFlight ?? Math.max(100, concurrency * 2),
    maxInFlightBytes: options.maxInFlightBytes ?? 67_108_864,
    unhandledTypes: options.unhandledTypes ?? 'skip',
    foreign: options.foreign ?? 'deadLetter',
    validation: options.validation ?? 'deadLetter',
    maxCrashes: options.maxCrashes ?? 5,
    middleware: options.middleware ?? [],
  }
}

const foreignRule: OptionRule = (value, path) =>
  value === 'deadLetter' || value === 'skip' || typeof value === 'function'
    ? undefined
    : `${path} must be 'deadLetter', 'skip' or a function`

const consumerRules: Readonly<Record<keyof ConsumerOptions, OptionRule>> = {
  handlers: object,
  retry: anything, // Its own rules say more, as those of `order` do.
  concurrency: wholeNumber(1, 100_000),
  order: anything,
  handlerTimeoutMs: wholeNumber(1),
  livenessTimeoutMs: wholeNumberOrFalse(1),
  maxInFlight: wholeNumber(1, 65_535), // AMQP's prefetch is 16 bits wide.
  maxInFlightBytes: wholeNumber(1),
  unhandledTypes: oneOf('skip', 'deadLetter'),
  foreign: foreignRule,
  validation: oneOf('deadLetter', 'warn', 'off'),
  maxCrashes: wholeNumber(1, 50), // Well below the 100 at which RabbitMQ's own delivery limit steps in.
  middleware: listOf(callable),
}

/** The longest rung, and so the longest wait that a copy of ours can ask for: a day. */
export const maxDelayMs = 86_400_000
const retryRules: Readonly<Record<keyof RetryOptions, OptionRule>> = {
  delaysMs: listOf(wholeNumber(0, maxDelayMs)),
  maxRetryAfterMs: wholeNumber(0, maxDelayMs),
  isNonRetryable: callable,
}

const orderRules: Readonly<Record<keyof OrderOptions, OptionRule>> = {
  by: oneOf('partitionKey'),
  onRetry: oneOf('holdKey', 'overtake'),
  maxHeldKeys: wholeNumber(1),
}

/** Everything that is wrong with a consumer's own options; the transport's objections come with its declaration. */
export function consumerProblems(group: string, options: ConsumerOptions, transport: Transport): string[] {
  const own = optionProblems('', options, consumerRules, ['handlers'])
  if (typeof options !== 'object' || options === null) return own
  const { retry, order } = options
  const retryOwn = retry === undefined ? [] : optionProblems('retry', retry, retryRules)
  const orderOwn = order === undefined ? [] : optionProblems('order', order, orderRules, ['by'])
  const problems = [...own, ...retryOwn, ...orderOwn]
  const badGroup = groupProblem(group)
  if (badGroup !== undefined) problems.unshift(badGroup)
  // Combinations are judged where both sides can be read.
  problems.push(...ladderProblems(retry))
  problems.push(...capabilityProblems(options, transport))
  if (orderOwn.length === 0 && retryOwn.length === 0) problems.push(...holdProblems(options, transport))
  const { concurrency, maxInFlight } = options
  if (Number.isInteger(concurrency) && Number.isInteger(maxInFlight) && concurrency! > maxInFlight!) {
    problems.push(`concurrency (${concurrency}) is above maxInFlight (${maxInFlight})`)
  }
  return problems
}

function ladderProblems(retry: RetryOptions | undefined): string[] {
  const given: unknown = retry?.delaysMs
  const delays = Array.isArray(given) ? given.filter((delay): delay is number => typeof delay === 'number') : []
  const shrinks = delays.findIndex((delay, index) => index > 0 && delay < delays[index - 1]!)
  const problems =
    shrinks === -1 ? [] : [`retry.delaysMs must not decrease: ${delays[shrinks]} stands after ${delays[shrinks - 1]}`]
  const largest = delays.at(-1)
  if (retry?.maxRetryAfterMs !== undefined && largest !== undefined && retry.maxRetryAfterMs < largest) {
    problems.push(`retry.maxRetryAfterMs (${retry.maxRetryAfterMs}) is below the ladder's largest delay (${largest})`)
  }
  return problems
}

function capabilityProblems(options: ConsumerOptions, { capabilities, system }: Transport): string[] {
  const problems: string[] = []
  const { maxHoldMs = Infinity } = capabilities
  if (handlerTimeoutOf(options, maxHoldMs) > maxHoldMs) {
    problems.push(
      `handlerTimeoutMs (${options.handlerTimeoutMs}) is longer than ${system} lets a delivery be unsettled (${maxHoldMs} ms): ` +
        'the message would be taken away while its handler works',
    )
  }
  if (options.order !== undefined && !capabilities.ordered) {
    problems.push(`order: ${system} cannot keep order over several processes`)
  }
  if (options.maxCrashes !== undefined && !capabilities.countsRedeliveries) {
    problems.push(`maxCrashes: ${system} does not count deliveries that ended in a crash`)
  }
  return problems
}

function holdProblems(options: ConsumerOptions, { capabilities, system }: Transport): string[] {
  if (options.order === undefined || options.order.onRetry === 'overtake') return []
  const delaysMs = options.retry?.delaysMs ?? defaultDelaysMs
  const hintsMs = delaysMs.length * (options.retry?.maxRetryAfterMs ?? delaysMs.at(-1) ?? 0)
  const waitsMs = Math.max(
    hintsMs,
    delaysMs.reduce((sum, delay) => sum + delay, 0),
  )
  const worksMs = (delaysMs.length + 1) * handlerTimeoutOf(options, capabilities.maxHoldMs)
  const holdMs = waitsMs + worksMs
  if (holdMs <= (capabilities.maxHoldMs ?? Infinity)) return []
  return [
    `order.onRetry 'holdKey' would hold a message for ${holdMs} ms, ${waitsMs} of them between attempts; ${system} allows ` +
      `${capabilities.maxHoldMs} ms: shorten retry.delaysMs or handlerTimeoutMs, or choose 'overtake'`,
  ]
}

/** Everything that is wrong with a list of handlers. */
export function handlerProblems(
  handlers: readonly HandlerRegistration[],
  maxInFlight: number,
  registry: ContractRegistry,
): string[] {
  if (!Array.isArray(handlers)) return ['handlers must be a list of what on() and onBatch() make']
  if (handlers.length === 0) return ['handlers is empty; a group without handlers receives nothing']
  const problems: string[] = []
  const types = new Set<string>()
  for (const [index, registration] of handlers.entries()) {
    if (typeof registration?.call !== 'function') {
      problems.push(`handlers[${index}] must be made by on() or onBatch()`)
      continue
    }
    const { contract, batch } = registration
    if (types.has(contract.type)) problems.push(`handlers[${index}]: a second handler for ${contract.type}`)
    types.add(contract.type)
    problems.push(...registry.problems(contract))
    if (batch !== undefined && batch.maxCount > maxInFlight) {
      problems.push(`handlers[${index}].maxCount (${batch.maxCount}) is above maxInFlight (${maxInFlight})`)
    }
  }
  return problems
}

/** One subscription per destination that the handlers name. */
export function subscriptionsOf(
  group: string,
  handlers: readonly HandlerRegistration[],
  resolved: ResolvedConsumerOptions,
): Subscription[] {
  const typesByDestination = new Map<string, string[]>()
  for (const { contract } of handlers) {
    const types = typesByDestination.get(contract.destination) ?? []
    types.push(contract.type)
    typesByDestination.set(contract.destination, types)
  }
  return [...typesByDestination].map(([destination, types]) => ({
    destination,
    group,
    source: 'work',
    types: resolved.unhandledTypes === 'deadLetter' ? 'all' : types,
    rungsMs: resolved.retry.rungsMs,
    ordered: resolved.order !== undefined,
    maxInFlight: resolved.maxInFlight,
    maxInFlightBytes: resolved.maxInFlightBytes,
  }))
}
