import type { Child } from './children.js'
import type { ChildServers, Role } from './childLink.js'
import type { CrewSizes } from './crew.js'
import type { OffsetWatch } from './kafkaOffsets.js'
import type { Ledger } from './ledger.js'
import type { DatabaseWatch } from './outbox/databaseWatch.js'
import type { Proxies } from './proxies.js'
import type { Random } from './random.js'
import type { FaultSpan } from './schedule.js'
import type { FlowKey } from './traffic.js'

/** What a fault may use. */
export interface FaultContext {
  readonly random: Random
  readonly durationMs: number
  readonly children: readonly Child[]
  readonly proxies: Proxies
  /** Resolves when every message that was confirmed has ended; no publisher publishes meanwhile, nor after it. */
  readonly drained: () => Promise<void>
  /** Publishers go on. */
  readonly resume: () => void
  /** What a fault publishes itself is owed an end like everything else. */
  readonly own: OwnMessages
  /** Of the ledger, always as of now. */
  readonly counts: Ledger['counts']
  /** Something did not live as it should while the fault lasted. */
  readonly blame: (sentence: string) => void
  /** For people, on standard error. */
  readonly note: (text: string) => void
}

/** The ledger of the messages that faults publish. */
export interface OwnMessages {
  /** The clock of the run, in microseconds. */
  readonly now: () => number
  /** Gives an id that nobody had before; to be called before a byte of the message leaves. */
  readonly attempt: (flow: FlowKey, who: string) => Promise<string>
  readonly confirmed: (id: string) => Promise<void>
  readonly hasEnded: (id: string) => boolean
}

/** A kind of fault: `inject` does it and resolves with what heals it. */
export interface FaultKind extends FaultSpan {
  readonly inject: (context: FaultContext) => Promise<() => Promise<void>>
}

/** The servers of a run, and what can be done to them. */
export interface FaultTarget {
  readonly name: string
  /** The exact version of the servers. */
  readonly version: string
  /** Faults of these servers; those of processes and of the network come with the runner. */
  readonly kinds: Readonly<Record<string, FaultKind>>
  /** Puts proxies between the processes and the servers. */
  readonly openProxies: () => Promise<Proxies>
  /** How long a flow may stand still after a fault was healed. */
  readonly maxStallMs: number
  /** How many more sockets a process may have than when it had just started: a client may open some when it needs them. */
  readonly maxMoreSockets: number
  /** How many copies of a message a client may put into the log before it gets its confirmation. */
  readonly maxCopies: number
  readonly crew: CrewSizes
  /** Those that move all the time. */
  readonly steadyFlows: readonly FlowKey[]
  /** How a process reaches the servers through the proxies. */
  readonly serversOf: (role: Role, proxies: Proxies) => ChildServers
  /** Where groups commit offsets. */
  readonly offsets?: OffsetWatch
  /** Resolves when the servers have stored what was declared. */
  readonly declared: () => Promise<void>
  /** The database with outbox and inbox, where there is one. */
  readonly database?: DatabaseWatch
  /** Says which groups have fewer consumers than processes, or what else is not back: all should be after the last fault. */
  readonly missing: () => Promise<readonly string[]>
  /** What the servers know of queues and consumers, for people, when nothing moves. */
  readonly diagnose: () => Promise<string>
  /** What the servers printed. */
  readonly log: () => string
  readonly close: () => Promise<void>
}

/** Makes the servers of a target. */
export interface TargetOptions {
  readonly version: string | undefined
  readonly nodes: 1 | 3
  /** The client underneath the adapter, where there are several. */
  readonly driver: string | undefined
  /** How long the run takes. */
  readonly totalMs: number
  readonly progress: (text: string) => void
}

export type CreateTarget = (options: TargetOptions) => Promise<FaultTarget>
