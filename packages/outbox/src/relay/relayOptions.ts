import {
  boolean,
  listOf,
  logRule,
  metricsRule,
  object,
  optionProblems,
  text,
  wholeNumber,
  wholeNumberOrFalse,
} from '@posthorn/core/adapter'
import type { LogOptions } from '@posthorn/core'
import type { Clock, Logger, Metrics, OptionRule, Transport } from '@posthorn/core/adapter'
import type { RelayStore } from '../ports.js'

/** What a relay is made from. */
export interface RelayOptions {
  /** Where the entries stand; who made it closes it. */
  readonly store: RelayStore
  /**
   * Made by an adapter, opened and closed by this relay alone. Left out for a relay that is attached to a service, which
   * lends its own. @default the service's
   */
  readonly transport?: Transport
  /** Destinations that exist once `start()` resolves, where the broker lets us create them. @default none */
  readonly destinations?: readonly string[]
  /** @default the service's; alone: pino on standard error */
  readonly logger?: Logger
  /**
   * What its records may say, and how often. Of a relay on its own; one that is attached writes as its service does.
   * @default as in `createService`
   */
  readonly logs?: LogOptions
  /**
   * Where its numbers go, such as the `metrics` of `createOpenTelemetry()`. @default those of the service's `telemetry`; alone:
   * nowhere
   */
  readonly metrics?: Metrics
  /** Of a relay on its own; one that is attached lives by the clock of its service. @default the machine's */
  readonly clock?: Clock
  /**
   * How long a partition stays with a relay that says nothing, in milliseconds. Longer bears longer pauses of the process,
   * the database and the broker; shorter is quicker to take over from a relay that died. @default 10_000
   */
  readonly leaseMs?: number
  /**
   * Between two looks for entries that nobody told of, in milliseconds. Shorter bounds the delay after a lost hint, and
   * costs a query each time. @default 2_000
   */
  readonly pollIntervalMs?: number
  /** Whether hints are listened for; without, polling alone finds new entries. @default true */
  readonly listen?: boolean
  /** Entries in memory, from reading to removing. More is quicker over a slow line, and repeats more after a crash. @default 1_000 */
  readonly maxInFlight?: number
  /** Bytes of bodies in memory, from reading to removing. More lets more large messages be under way. @default 16_777_216 (16 MiB) */
  readonly maxInFlightBytes?: number
  /**
   * Entries of one key that are unconfirmed at once. More makes a hot key quicker; after a failure one of them may then
   * arrive before one that was stored before it. @default 1
   */
  readonly maxInFlightPerKey?: number
  /**
   * How often an entry may fail for a reason of its own until its key is parked. More bears a mistake that is corrected
   * meanwhile, and lets the key wait longer until somebody is told. @default 5
   */
  readonly maxAttempts?: number
  /** Between two looks at the depth, the age and the parked keys for `health()`, in milliseconds. @default 15_000 */
  readonly statsIntervalMs?: number
  /**
   * When `health().live` becomes false: for so long beyond `pollIntervalMs` and `leaseMs` nothing was read, sent or removed, though
   * the database answers and the transport is ready, in milliseconds. Shorter has a relay that hangs restarted sooner; `false`
   * never. @default 60_000
   */
  readonly livenessTimeoutMs?: number | false
}

/** Options with their defaults. */
export interface NormalRelayOptions extends Required<
  Omit<RelayOptions, 'store' | 'transport' | 'logger' | 'logs' | 'metrics' | 'clock' | 'destinations'>
> {
  /** So long before its end a lease is not used any more: for what is on its way to the broker. */
  readonly marginMs: number
}

const isStore: OptionRule = (value, path) => {
  const store = value as Record<string, unknown> | null
  const isComplete =
    typeof store === 'object' &&
    store !== null &&
    ['prepare', 'renew', 'read', 'remove', 'fail'].every((name) => typeof store[name] === 'function')
  return isComplete ? undefined : `${path} must be a store such as createPostgresStore or createMemoryStore make`
}

const isTransport: OptionRule = (value, path) =>
  typeof (value as Partial<Transport> | null)?.send === 'function'
    ? undefined
    : `${path} must come from an adapter: createRabbitMq, createKafka or createMemory`

/** The rules of each option. */
export const relayRules: Readonly<Record<keyof RelayOptions, OptionRule>> = {
  store: isStore,
  transport: isTransport,
  destinations: listOf(text),
  logger: object,
  logs: logRule,
  metrics: metricsRule,
  clock: object,
  leaseMs: wholeNumber(100, 3_600_000),
  pollIntervalMs: wholeNumber(10, 3_600_000),
  listen: boolean,
  maxInFlight: wholeNumber(1, 100_000),
  maxInFlightBytes: wholeNumber(1),
  maxInFlightPerKey: wholeNumber(1, 100_000),
  maxAttempts: wholeNumber(1, 1_000),
  statsIntervalMs: wholeNumber(100, 3_600_000),
  livenessTimeoutMs: wholeNumberOrFalse(1, 86_400_000),
}

/** All problems of what was given. */
export function relayProblems(options: unknown): string[] {
  return optionProblems('options', options, relayRules, ['store'])
}

/** The options with their defaults; they were checked before. */
export function normalise(options: RelayOptions): NormalRelayOptions {
  const leaseMs = options.leaseMs ?? 10_000
  return {
    leaseMs,
    marginMs: leaseMs / 10,
    pollIntervalMs: options.pollIntervalMs ?? 2_000,
    listen: options.listen ?? true,
    maxInFlight: options.maxInFlight ?? 1_000,
    maxInFlightBytes: options.maxInFlightBytes ?? 16 * 1024 * 1024,
    maxInFlightPerKey: options.maxInFlightPerKey ?? 1,
    maxAttempts: options.maxAttempts ?? 5,
    statsIntervalMs: options.statsIntervalMs ?? 15_000,
    livenessTimeoutMs: options.livenessTimeoutMs ?? 60_000,
  }
}
