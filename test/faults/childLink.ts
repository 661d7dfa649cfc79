import type { KafkaOptions } from '@posthorn/kafka'
import type { RabbitMqOptions } from '@posthorn/rabbitmq'
import type { Lie } from '@posthorn/testing'
import type { ProcessSample } from './invariants.js'
import type { OutboxLie } from './outbox/outboxLies.js'
import type { FlowKey } from './traffic.js'

/** What a process of a run does; relays are there with an outbox. */
export type Role = 'publisher' | 'consumer' | 'reader' | 'relay'

/** From what a process makes its transport. */
export type TransportConfig =
  | { readonly kind: 'rabbitmq'; readonly options: RabbitMqOptions }
  | { readonly kind: 'kafka'; readonly options: KafkaOptions }

/** Which servers a process uses, and how it reaches them. */
export interface ChildServers {
  readonly transport: TransportConfig
  /** Where outbox and inbox are, for those that have them. */
  readonly database?: string
  /** The groups that it consumes, or whose dead letters it reads, and the messages that it publishes. */
  readonly flows: readonly FlowKey[]
}

/** A promise that a process can break on purpose. */
export type AnyLie = Lie | OutboxLie

/** Where a relay can be when it is killed. */
export const failPoints = ['beforePublish', 'inBatch', 'beforeRemove', 'afterRemove'] as const
export type FailPoint = (typeof failPoints)[number]

/** Given to a process as its argument, as JSON. */
export interface ChildConfig extends ChildServers {
  readonly role: Role
  /** Role, number, and how often it was started before: `publisher-1.0`. */
  readonly name: string
  readonly ledgerFile: string
  /** `process.hrtime.bigint()` of the run's start, in decimal. */
  readonly startedAt: string
  /** A promise that its transport breaks, for tests of the runner. */
  readonly lie: AnyLie | undefined
  /** Publishes in a second. */
  readonly rate: number
}

/** To a process. It is asked to end with SIGTERM, and ends by itself when the runner is gone. */
export type Request =
  | { readonly type: 'run' }
  | { readonly type: 'pause' }
  | { readonly type: 'block'; readonly forMs: number }
  | { readonly type: 'sample' }
  | { readonly type: 'failAt'; readonly point: FailPoint }
  /** Its wall clock, from what the machine's shows. */
  | { readonly type: 'moveClock'; readonly byMs: number }

/** From a process. */
export type Report =
  | { readonly type: 'ready'; readonly sample: ProcessSample }
  | { readonly type: 'paused' }
  | { readonly type: 'sample'; readonly sample: ProcessSample }
  | { readonly type: 'unconfirmed'; readonly count: number }
