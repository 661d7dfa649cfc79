import type { ChildConfig, FailPoint } from './childLink.js'
import type { LedgerWriter } from './ledgerFile.js'
import type { Publishing } from './pace.js'

/** Where a process writes what it does. */
export interface Notes {
  readonly ledger: LedgerWriter
  /** The clock of the run, in microseconds. */
  readonly now: () => number
}

/** What a process of a run does. */
export interface Actor {
  /** Resolves when it runs, which may wait for the servers. */
  start(): Promise<void>
  /** Ends as it should, by a deadline. */
  stop(): Promise<void>
  state(): ActorState
  /** Of those that publish. */
  readonly publishing?: Publishing
  /** The process kills itself when it comes to this point for the next time. */
  failAt?(point: FailPoint): void
}

export interface ActorState {
  /** It does what it is there for, as far as it knows. */
  readonly ready: boolean
  /** What it has sent and the broker has not confirmed. */
  readonly unconfirmed: number
}

export type CreateActor = (config: ChildConfig, notes: Notes) => Actor

/** How long an actor may take to stop, in milliseconds. */
export const stopMs = 10_000
