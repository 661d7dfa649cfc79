import type { Capabilities } from '@posthorn/core/adapter'
import type { Bench } from './bench.js'

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
