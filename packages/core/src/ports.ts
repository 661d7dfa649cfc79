/*
 * Everything that an adapter implements, and nothing else. The core owns the pipeline; an adapter sends, delivers and
 * settles. A retry and a dead letter are the core's `send`, its confirmation, and then `complete()` of the original.
 */
import type { Clock } from './clock.js'
import type { Health } from './health.js'
import type { Logger } from './logger.js'

/** Where a message goes. The adapter alone knows which exchange, queue or topic that is. */
export type Target =
  /** To all groups that listen for the message's type. */
  | { readonly destination: string }
  /** Back to one group after the delay of one rung of its ladder. */
  | { readonly retry: { readonly destination: string; readonly group: string; readonly delayMs: number } }
  /** Into one group's dead letters. */
  | { readonly dead: { readonly destination: string; readonly group: string } }
  /** To one group at once, as a replay does. */
  | { readonly group: { readonly destination: string; readonly group: string } }

/** A message as bytes, ready for the wire. */
export interface WireMessage {
  /** Null is an event without data in binary mode: a tombstone on Kafka, an empty body elsewhere. */
  readonly body: Uint8Array | null
  readonly contentType: string
  /** Never empty, at most 255 bytes of UTF-8; also where the body could not be read. */
  readonly id: string
  /** The routing key where the broker routes by type; empty for a dead letter that could not be read. */
  readonly type: string
  readonly partitionKey?: string
  /** Names in lower case or as CloudEvents bindings write them; values are strings. */
  readonly headers: Readonly<Record<string, string>>
}

/** What the broker confirmed. */
export interface Receipt {
  /**
   * Whether at least one queue took the message; undefined where the broker cannot tell (`capabilities.routed`), or where
   * it was written more than once, and only what became of the last time is known.
   */
  readonly routed: boolean | undefined
}

export interface SendOptions {
  /** On `clock.monotonic()`: at this time the promise has settled, whatever the broker does. */
  readonly deadline: number
  readonly signal?: AbortSignal
  /** The caller takes an unrouted message for a failure, and repeats it: nobody else is to keep it. */
  readonly mustRoute?: boolean
  /** The delivery that the message is a copy of, for whoever observes; an adapter need not look. */
  readonly copyOf?: Delivery
}

export interface Sender {
  /**
   * Resolves when the broker has confirmed that it keeps the message; rejects with a `PublishError` that says `notSent`
   * (it will never appear) or `unknown`. Calls for one partition key reach the broker in call order.
   * Bounds of our own hold for what is published to a destination: a copy of what has arrived must go, whoever wrote it and
   * however long, and only what the broker itself would refuse is refused. Where that is for the headers, the
   * `POSTHORN_PUBLISH_TOO_LARGE` has `details.headerBytes`, and `details.maxHeaderBytes` if it is known: the copy comes
   * again with fewer. What a publisher may write leaves 12 KiB of headers for those of a copy.
   * Targets of a group whose queues nobody declared are not routed. The error may be shared: it is never changed.
   */
  send(target: Target, message: WireMessage, options: SendOptions): Promise<Receipt>
}

/** One group's interest in one destination. */
export interface Subscription {
  readonly destination: string
  readonly group: string
  /** The group's work, or its dead letters (for a reader: no retries, no types). */
  readonly source: 'work' | 'dead'
  /** The types that the group handles; `'all'` when it wants to see every type. Others need not be delivered. */
  readonly types: readonly string[] | 'all'
  /** The delays above zero that `{ retry }` targets of this group will ask for, ascending. */
  readonly rungsMs: readonly number[]
  /** One partition key's messages go to one process at a time, in order. */
  readonly ordered: boolean
  /** At most so many deliveries are unsettled at once. */
  readonly maxInFlight: number
  /** Above so many bytes unsettled, delivering pauses. */
  readonly maxInFlightBytes: number
}

/** Where a broker keeps a delivery, for traces. */
export interface DeliveryPosition {
  /** The queue or topic. */
  readonly name: string
  readonly partition?: number
  readonly offset?: number
  /** What AMQP settles it by. */
  readonly deliveryTag?: number
}

/**
 * One message of a subscription, to be settled exactly once. It may be an instance of a class: who decorates one names its
 * properties, since to spread it would lose its methods.
 */
export interface Delivery {
  readonly body: Uint8Array | null
  /** A null-prototype object of the broker's headers as strings; what is no scalar is left out. */
  readonly headers: Readonly<Record<string, string>>
  readonly contentType: string
  /** Where the message was found, for people: `orders.billing`, `orders[3]@1042`. */
  readonly address: string
  /** The broker's own id of the message, where it has one. */
  readonly id?: string
  readonly partitionKey?: string
  /** How often the broker delivered the message before without an answer (crashes); undefined where nobody counts. */
  readonly brokerRedeliveries?: number
  /**
   * Fires when the broker has taken the message away while it was unsettled: with its connection, its partition, or the
   * close of its transport. It is delivered again, to whoever is its consumer now, and settling it here does nothing.
   * Deliveries that are lost together share one; once all that were handed over are settled it may fire as well.
   */
  readonly lost?: AbortSignal
  /** The same as `address`, for programs, where the broker knows more than a name. */
  readonly position?: DeliveryPosition | undefined
  /** Done with: the broker may forget it. Never throws; once the delivery's connection is gone, it does nothing. */
  complete(): void
  /** Not done: the broker delivers it again, here or elsewhere, without counting it as a failure where it can. */
  release(): void
}

export interface RunningSubscription {
  /** No delivery is handed over after the call; those handed over can be settled until `Transport.close`. */
  stop(deadline: number): Promise<void>
}

export interface Subscriber {
  /**
   * Resolves when the group's queues exist and deliveries flow; rejects with a `ConnectionError` or `TopologyError`.
   * Outages after that are the adapter's: it reconnects and resumes by itself. `onDeliveries` never throws.
   */
  subscribe(
    subscription: Subscription,
    onDeliveries: (deliveries: readonly Delivery[]) => void,
    options: SendOptions,
  ): Promise<RunningSubscription>
}

/** What a transport can do. What it cannot is refused when a service declares it. */
export interface Capabilities {
  /** Receipts say whether a message was routed. */
  readonly routed: boolean
  /** Order by partition key holds over several processes of one group. */
  readonly ordered: boolean
  /** Deliveries carry `brokerRedeliveries`. */
  readonly countsRedeliveries: boolean
  /** A delivery may stay unsettled for so long; undefined: without limit. */
  readonly maxHoldMs: number | undefined
  /** The longest body, in bytes, that the adapter publishes; a copy of what has arrived may be longer. */
  readonly maxBodyBytes: number
  /** Prefix of CloudEvents attributes in headers: `ce_` (Kafka binding), `cloudEvents_` (AMQP binding). */
  readonly binaryPrefix: string
}

/** What a service uses of a transport, known before any I/O. */
export interface Declaration {
  readonly publishes: readonly string[]
  readonly subscriptions: readonly Subscription[]
}

/** What the core lends to a transport. */
export interface TransportContext {
  readonly logger: Logger
  readonly clock: Clock
}

/** Ready while it is connected, every subscription consumes, and the broker takes messages. */
export interface TransportHealth extends Health {
  readonly state: 'idle' | 'connecting' | 'ready' | 'blocked' | 'closed'
  /** Broker addresses without credentials. */
  readonly addresses: readonly string[]
  readonly reconnects: number
  /** The longest that the event loop was blocked within the last minute, in milliseconds, where the adapter watches it. */
  readonly eventLoopDelayMs?: number
  /** Messages that a group has not done with, in all its processes, by group, where the adapter asks from time to time. */
  readonly lag?: Readonly<Record<string, number>>
  /** For how long the broker took no messages, in all, in milliseconds, the block that lasts included; where it can say so. */
  readonly blockedMs?: number
  /** The topics that each group reads, where the adapter knows how far it is. */
  readonly topics?: readonly TopicHealth[]
  /** What the adapter counts since it was made, by names of its own; for people and for metrics. */
  readonly counts?: Readonly<Record<string, number>>
}

/** How far a group is in one of the topics that it reads. */
export interface TopicHealth {
  readonly group: string
  readonly topic: string
  /** Messages that the group has not committed, in all its processes; undefined before the first look. */
  readonly lag?: number | undefined
  /** How long finished messages have waited while the committed offset of their partition stood still, in milliseconds. */
  readonly commitAgeMs: number
}

/** A broker as the core sees it. Made by an adapter's factory, without I/O; opened and closed by one service. */
export interface Transport extends Sender, Subscriber {
  /** The OpenTelemetry `messaging.system`: `rabbitmq`, `kafka`, `memory`. */
  readonly system: string
  readonly capabilities: Capabilities
  /** Lists in plain words what the transport cannot honour, without I/O. */
  check(declaration: Declaration): readonly string[]
  /**
   * Connects and makes sure that what `publishes` names exists. Rejects at the deadline, or when the signal fires, with
   * a `ConnectionError` that names the addresses; it may go on trying in the background until `close`, and may be
   * called again.
   */
  connect(context: TransportContext, publishes: readonly string[], options: SendOptions): Promise<void>
  health(): TransportHealth
  /** Flushes settlements and closes everything by the deadline; idempotent, works while connecting or blocked. */
  close(deadline: number): Promise<void>
}
