import { ConfigurationError, object, optionProblems, wholeNumber } from '@posthorn/core/adapter'
import type { Clock, OptionRule } from '@posthorn/core/adapter'

/** How large an in-process broker may grow, and which clock it lives by. */
export interface MemoryBrokerOptions {
  /**
   * Messages that one queue keeps, unsettled ones included; each group's work, each rung and its dead letters are queues
   * of their own. A full queue refuses (`POSTHORN_PUBLISH_REFUSED`), as RabbitMQ's `reject-publish` does. More absorbs
   * longer bursts and takes more memory. @default 100_000
   */
  readonly maxMessages?: number
  /** Bytes of bodies that one queue keeps, unsettled ones included; also the longest body. @default 268_435_456 (256 MiB) */
  readonly maxBytes?: number
  /**
   * Partitions of an ordered group's queue: so many members can share its work. More spreads the keys better, and costs a
   * little time for each delivery. @default 8
   */
  readonly partitions?: number
  /**
   * The clock that delays are measured by; a test gives `createVirtualClock()`.
   * @default the machine's; for a transport with a broker of its own, the clock of its service
   */
  readonly clock?: Clock
}

/** A broker's options with their defaults. */
export interface NormalBrokerOptions {
  readonly limits: { readonly maxMessages: number; readonly maxBytes: number }
  readonly partitions: number
  readonly clock: Clock | undefined
}

const isClock: OptionRule = (value, path) => {
  const clock = value as Record<string, unknown> | null
  const complete =
    typeof clock === 'object' &&
    clock !== null &&
    ['now', 'monotonic', 'schedule'].every((name) => typeof clock[name] === 'function')
  return complete ? undefined : `${path} must be a clock with now(), monotonic() and schedule()`
}

/** The rules of a broker's options, for the transport's, which include them. */
export const brokerRules: Readonly<Record<string, OptionRule>> = {
  maxMessages: wholeNumber(1),
  maxBytes: wholeNumber(1),
  partitions: wholeNumber(1, 1024),
  clock: isClock,
}

/** Throws one `ConfigurationError` with all problems. */
export function refuseProblems(what: string, problems: readonly string[]): void {
  if (problems.length > 0) throw new ConfigurationError(what, problems)
}

/** The options with their defaults; they were checked before. */
export function normalise(options: MemoryBrokerOptions): NormalBrokerOptions {
  return {
    limits: { maxMessages: options.maxMessages ?? 100_000, maxBytes: options.maxBytes ?? 256 * 1024 * 1024 },
    partitions: options.partitions ?? 8,
    clock: options.clock,
  }
}

/** All problems of the options of `createMemoryBroker`. */
export function brokerProblems(options: unknown): string[] {
  return optionProblems('options', options, brokerRules)
}

/** All problems of the options of `createMemory`; `isBroker` recognises what `createMemoryBroker` made. */
export function memoryProblems(options: unknown, isBroker: (value: unknown) => boolean): string[] {
  const broker: OptionRule = (value, path) =>
    object(value, path) === undefined && isBroker(value) ? undefined : `${path} must come from createMemoryBroker()`
  const problems = optionProblems('options', options, { ...brokerRules, broker })
  const given = (typeof options === 'object' && options !== null ? options : {}) as Record<string, unknown>
  if (given['broker'] === undefined) return problems
  const own = Object.keys(brokerRules).filter((name) => given[name] !== undefined)
  return [...problems, ...own.map((name) => `options.${name} belongs to the broker; give it to createMemoryBroker()`)]
}
