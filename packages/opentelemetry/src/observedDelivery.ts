import { ROOT_CONTEXT } from '@opentelemetry/api'
import type { Attributes, Context } from '@opentelemetry/api'
import type { Delivery, DeliveryPosition, Subscription } from '@posthorn/core/adapter'
import { end, isKept, isRecording, measure, startSpan, well } from './observation.js'
import type { Observation } from './observation.js'
import { operationNames } from './routes.js'
import type { Route } from './routes.js'
import { extract, linksTo, noLinks, nothingCarried } from './traceContext.js'
import type { Carried } from './traceContext.js'
import { tellFault } from './quietly.js'

/** What the deliveries of one subscription have in common. */
export interface DeliverySource {
  readonly observation: Observation
  readonly subscription: Pick<Subscription, 'destination' | 'group' | 'source'>
  readonly routes: DeliveryRoutes
}

/** A delivery whose settlement is seen, and that knows the trace in which it is handled. */
export class ObservedDelivery implements Delivery {
  readonly body: Uint8Array | null
  readonly headers: Readonly<Record<string, string>>
  readonly contentType: string
  declare readonly id?: string
  declare readonly partitionKey?: string
  declare readonly brokerRedeliveries?: number
  declare readonly lost?: AbortSignal
  /** On `performance.now()`: when the transport handed it over. */
  readonly arrivedAt: number
  /** A handler has it, or had it. */
  isReceived = false
  /** Of the last call of its handler. */
  processContext: Context | undefined
  /** The type of its message, once it was read. */
  type: string | undefined
  readonly source: DeliverySource
  readonly #inner: Delivery
  #isSettled = false
  #queue: string | undefined
  #carried: Carried | undefined

  constructor(inner: Delivery, source: DeliverySource, arrivedAt: number) {
    this.#inner = inner
    this.source = source
    this.arrivedAt = arrivedAt
    this.body = inner.body
    this.headers = inner.headers
    this.contentType = inner.contentType
    if (inner.id !== undefined) this.id = inner.id
    if (inner.partitionKey !== undefined) this.partitionKey = inner.partitionKey
    if (inner.brokerRedeliveries !== undefined) this.brokerRedeliveries = inner.brokerRedeliveries
    if (inner.lost !== undefined) this.lost = inner.lost
  }

  get address(): string {
    return this.#inner.address
  }

  get position(): DeliveryPosition | undefined {
    return this.#inner.position
  }

  /** The queue or topic that it was found in. */
  get queue(): string {
    this.#queue ??= this.#inner.position?.name ?? this.#inner.address
    return this.#queue
  }

  /** What its headers carry; damaged ones carry nothing. */
  get carried(): Carried {
    if (this.#carried !== undefined) return this.#carried
    let carried = nothingCarried
    try {
      carried = extract(this.headers)
    } catch (error) {
      tellFault(error)
    }
    this.#carried = carried
    return carried
  }

  complete(): void {
    const name = this.#settlementOf(true)
    if (name === undefined) return this.#inner.complete()
    const startedAt = performance.now()
    this.#inner.complete()
    this.#tellSettled(name, startedAt)
  }

  release(): void {
    const name = this.#settlementOf(false)
    if (name === undefined) return this.#inner.release()
    const startedAt = performance.now()
    this.#inner.release()
    this.#tellSettled(name, startedAt)
  }

  /** The name of the operation; undefined for what is no settlement to the broker, such as a second one. */
  #settlementOf(isDone: boolean): string | undefined {
    // What the broker took away is settled by whoever has it now.
    const isSilent = this.#isSettled || this.lost?.aborted === true
    this.#isSettled = true
    return isSilent ? undefined : operationNames.settle(this.source.observation.system, isDone)
  }

  #tellSettled(name: string, startedAt: number): void {
    const { observation, routes } = this.source
    try {
      const route = routes.of(this, 'settle', name)
      const parent = this.processContext ?? ROOT_CONTEXT
      if (!isKept(parent)) return measure(route, { startedAt, endedAt: performance.now() }, 1)
      const links = this.processContext === undefined ? linksTo(this.carried.hop, undefined) : noLinks
      const span = startSpan(observation, { type: 'settle', route, parent, links, startedAt })
      if (isRecording(span)) span.setAttributes(settledAttributes(this))
      end(observation, { route, span, startedAt }, well)
    } catch (error) {
      tellFault(error)
    }
  }
}

/** The routes of the deliveries of one subscription: `{exchange}:{routing key}:{queue}` on RabbitMQ, elsewhere the queue or topic. */
export class DeliveryRoutes {
  readonly #observation: Observation
  readonly #subscription: DeliverySource['subscription']
  /** By operation and type, which makes a difference on RabbitMQ alone; the last that was asked for. */
  readonly #kept = new Map<string, Map<string, { readonly queue: string; readonly route: Route }>>()

  constructor(observation: Observation, subscription: DeliverySource['subscription']) {
    this.#observation = observation
    this.#subscription = subscription
  }

  of(delivery: ObservedDelivery, type: 'receive' | 'process' | 'settle', name: string): Route {
    const { system, routes } = this.#observation
    const { source, destination, group } = this.#subscription
    const { queue } = delivery
    const routed = system === 'rabbitmq' && source === 'work' ? delivery.type : undefined
    const kept = this.#keptOf(name)
    const found = kept.get(routed ?? '')
    if (found?.queue === queue) return found.route
    const place = routed === undefined ? queue : `${destination}:${routed}:${queue}`
    const route = routes.of({ type, name, destination: place, group })
    if (route.isNamed) kept.set(routed ?? '', { queue, route })
    return route
  }

  #keptOf(name: string): Map<string, { readonly queue: string; readonly route: Route }> {
    const found = this.#kept.get(name)
    if (found !== undefined) return found
    const made = new Map<string, { readonly queue: string; readonly route: Route }>()
    this.#kept.set(name, made)
    return made
  }
}

export function messageId(id: string): Attributes {
  return { 'messaging.message.id': id }
}

/** What its settlement says; beside that, the route says all. */
function settledAttributes(delivery: ObservedDelivery): Attributes {
  const attributes = messageAttributes(delivery)
  return delivery.id === undefined ? attributes : Object.assign(attributes, messageId(delivery.id))
}

/** What differs from message to message, beside its id. */
export function messageAttributes(delivery: ObservedDelivery): Attributes {
  const { observation, subscription } = delivery.source
  const { position } = delivery
  const attributes: Attributes = {}
  if (observation.system === 'rabbitmq') {
    if (subscription.source === 'work' && delivery.type !== undefined) {
      attributes['messaging.rabbitmq.destination.routing_key'] = delivery.type
    }
    if (position?.deliveryTag !== undefined) {
      attributes['messaging.rabbitmq.message.delivery_tag'] = position.deliveryTag
    }
  }
  if (observation.system === 'kafka') {
    if (position?.partition !== undefined) {
      attributes['messaging.destination.partition.id'] = String(position.partition)
    }
    if (position?.offset !== undefined) attributes['messaging.kafka.offset'] = position.offset
    if (delivery.body === null) attributes['messaging.kafka.message.tombstone'] = true
    if (observation.settings.messageKeys && delivery.partitionKey !== undefined) {
      attributes['messaging.kafka.message.key'] = delivery.partitionKey
    }
  }
  return attributes
}
