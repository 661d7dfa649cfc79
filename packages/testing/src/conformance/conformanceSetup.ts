import type { Capabilities, Subscription, Transport } from '@posthorn/core/adapter'

/** What the suite must know of a transport. */
export interface ConformanceSetup {
  /** A new, unopened transport; all of one run reach the same broker. */
  readonly createTransport: () => Transport
  /** What the transport claims to do. What it lacks is asserted to be refused, not skipped. */
  readonly capabilities: Capabilities
  /** A transport to an address where no broker answers. */
  readonly createUnreachableTransport: () => Transport
  /** A password in the options of the unreachable transport: the suite asserts that no error shows it. */
  readonly secret?: string
  /**
   * Removes from the broker what a case made there: hundreds of queues or topics in one run, which a broker feels.
   * Called when everything of the case is closed; what it throws fails the case. @default they stay
   */
  readonly discard?: (leftovers: Leftovers) => Promise<void>
  /**
   * The broker counts also deliveries that were given back as `brokerRedeliveries`, as RabbitMQ before 4.3 does: then the
   * suite asserts only that a few of them stay below the default of `maxCrashes`. @default false
   */
  readonly releasesAreCounted?: boolean
  /** How long things take on this broker. */
  readonly timing?: Partial<ConformanceTiming>
}

/** What a case made on the broker. */
export interface Leftovers {
  readonly destinations: readonly string[]
  readonly subscriptions: readonly Subscription[]
}

/** How long things take, in milliseconds. The defaults suit a real broker on the same machine. */
export interface ConformanceTiming {
  /** The shortest rung of a ladder. Shorter is quicker, and nearer to what the broker cannot tell apart. @default 300 */
  readonly rungMs: number
  /** How long a case waits for what must come. Only failing cases take so long. @default 30_000 */
  readonly waitMs: number
  /** Deadline of a stop that cannot drain: how long a hanging handler holds a case up. @default 2_000 */
  readonly stopMs: number
  /** After so long a case is given up: something did not settle that must. @default 60_000 */
  readonly caseMs: number
  /** Deadline of starts and publishes that nobody answers. @default 1_000 */
  readonly unreachableMs: number
}
