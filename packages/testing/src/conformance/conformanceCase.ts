import type { Capabilities, Subscription, Transport } from '@posthorn/core/adapter'
import type { Bench } from './bench.js'

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

/** One behaviour that every transport has. */
export interface ConformanceCase {
  /** The promise that it belongs to: the name of its file. */
  readonly promise: string
  /** A sentence, unique in the suite. */
  readonly title: string
  /** Resolves when the transport behaves so; rejects with an `AssertionError`, a `ProbeTimeoutError` or what was thrown. */
  run(): Promise<void>
}

/** Capabilities that a transport may lack. */
export type OptionalCapability = 'routed' | 'ordered' | 'countsRedeliveries' | 'unlimitedHold'

/** A case before it is bound to a transport. */
export interface CaseDefinition {
  readonly title: string
  /** Runs only on transports that can do this; another case with `lacks` asserts that others refuse it. */
  readonly needs?: OptionalCapability
  readonly lacks?: OptionalCapability
  run(bench: Bench): Promise<void>
}

/** The cases of one file. */
export interface PromiseDefinition {
  readonly promise: string
  readonly cases: readonly CaseDefinition[]
}

/** Names the promise that a file's cases belong to. */
export function promise(name: string, cases: readonly CaseDefinition[]): PromiseDefinition {
  return { promise: name, cases }
}

/** Whether a transport has one of the optional capabilities. */
export function isCapable(capabilities: Capabilities, capability: OptionalCapability): boolean {
  return capability === 'unlimitedHold' ? capabilities.maxHoldMs === undefined : capabilities[capability]
}
