import type { StoreBench } from './storeBench.js'

/** What a store may lack. */
export type StoreAbility = 'concurrentTransactions' | 'listens'

/** A case before it is bound to a store. */
export interface StoreCaseDefinition {
  readonly title: string
  readonly needs?: StoreAbility
  /** Runs only on stores that cannot do this, and asserts that they say so. */
  readonly lacks?: StoreAbility
  readonly firstId?: bigint
  run(bench: StoreBench<unknown>): Promise<void>
}

/** The cases of one file. */
export interface StorePromise {
  readonly promise: string
  readonly cases: readonly StoreCaseDefinition[]
}

/** Names the promise that a file's cases belong to. */
export function storePromise(name: string, cases: readonly StoreCaseDefinition[]): StorePromise {
  return { promise: name, cases }
}

/** One behaviour that every store has. */
export interface StoreConformanceCase {
  /** The promise that it belongs to: the name of its file. */
  readonly promise: string
  /** A sentence, unique in the suite. */
  readonly title: string
  /** Resolves when the store behaves so; rejects with an `AssertionError`, or what was thrown. */
  run(): Promise<void>
}
