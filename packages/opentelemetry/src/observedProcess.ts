import { context, ROOT_CONTEXT } from '@opentelemetry/api'
import type { Attributes, Context, Link, Span } from '@opentelemetry/api'
import type { ProcessedMessage, Processing } from '@posthorn/core/adapter'
import { contextWith, end, heldSpan, isKept, isRecording, measure, startSpan, well } from './observation.js'
import type { Observation, Operation } from './observation.js'
import { messageAttributes, messageId, ObservedDelivery } from './observedDelivery.js'
import type { SpanOperation } from './options.js'
import { operationNames } from './routes.js'
import type { Route } from './routes.js'
import { below, isDamaged, linksTo, parse } from './traceContext.js'
import { quietly, tellFault } from './quietly.js'

/** Runs a handler within its span, which is active for all that the handler does. */
export function observedProcess(processing: Processing, run: () => unknown): unknown {
  const call = Call.begin(processing)
  if (call === undefined) return run()
  let result: unknown
  try {
    result = context.with(call.context, run)
  } catch (error) {
    return call.failed(error)
  }
  if (!isPromiseLike(result)) return call.succeeded(result)
  return Promise.resolve(result).then(
    (value) => call.succeeded(value),
    (error: unknown) => call.failed(error),
  )
}

/** One message of a call. */
interface Item extends ProcessedMessage {
  readonly delivery: ObservedDelivery
}

/** A call of a handler that somebody watches. */
class Call implements Operation {
  readonly context: Context
  readonly route: Route
  readonly span: Span | undefined
  readonly startedAt: number
  readonly #observation: Observation
  readonly #items: readonly Item[]
  readonly #isBatch: boolean

  /** Undefined for deliveries that came before there was an SDK, and where the SDK fails. */
  static begin(processing: Processing): Call | undefined {
    try {
      const { messages, isBatch } = processing
      return areObserved(messages) ? new Call(messages, isBatch) : undefined
    } catch (error) {
      tellFault(error)
      return undefined
    }
  }

  private constructor(items: readonly Item[], isBatch: boolean) {
    const first = items[0]!
    const { observation } = first.delivery.source
    for (const { delivery, envelope } of items) delivery.type = envelope?.type
    this.#observation = observation
    this.#items = items
    this.#isBatch = isBatch
    this.startedAt = performance.now()
    this.route = sharedRoute(items, 'process', operationNames.process)
    const links = isBatch ? items.flatMap((item) => linksOf(item, attributesOf(item))) : linksOf(first)
    const parent = isBatch ? ROOT_CONTEXT : parentOf(first.delivery)
    const { route, startedAt } = this
    const span = startSpan(observation, { type: 'process', route, parent, links, startedAt })
    if (isRecording(span)) span.setAttributes(this.#attributes('process'))
    this.span = heldSpan(span)
    this.context = contextWith(parent, span)
    for (const { delivery } of items) delivery.processContext = this.context
    this.#tellReceived(links)
  }

  #attributes(type: SpanOperation): Attributes {
    if (this.#isBatch) return { 'messaging.batch.message_count': this.#items.length }
    const item = this.#items[0]!
    const attributes = attributesOf(item)
    return type === 'process' ? Object.assign(attributes, eventAttributes(item)) : attributes
  }

  succeeded(result: unknown): unknown {
    try {
      end(this.#observation, this, well)
    } catch (error) {
      tellFault(error)
    }
    return result
  }

  failed(error: unknown): never {
    quietly(() => end(this.#observation, this, { error: { of: error } }))
    throw error
  }

  /** From the moment when the transport handed the messages over until the call: repetitions within the process are no second receipt. */
  #tellReceived(links: Link[]): void {
    let messageCount = 0
    let startedAt = Infinity
    for (const { delivery } of this.#items) {
      if (delivery.isReceived) continue
      delivery.isReceived = true
      messageCount += 1
      startedAt = Math.min(startedAt, delivery.arrivedAt)
      countDamaged(delivery)
    }
    if (messageCount === 0) return
    const observation = this.#observation
    const route = sharedRoute(this.#items, 'receive', operationNames.receive(observation.system))
    const endedAt = this.startedAt
    if (!isKept(this.context)) return measure(route, { startedAt, endedAt }, messageCount)
    const span = startSpan(observation, { type: 'receive', route, parent: ROOT_CONTEXT, links, startedAt })
    if (isRecording(span)) span.setAttributes(this.#attributes('receive'))
    end(observation, { route, span, startedAt }, { messageCount, endedAt })
  }
}

function areObserved(messages: readonly ProcessedMessage[]): messages is readonly Item[] {
  for (const { delivery } of messages) if (!(delivery instanceof ObservedDelivery)) return false
  return true
}

/** Baggage is the handler's in any case. Without a span of its own, what the handler publishes goes on from the sender's. */
function parentOf({ carried, source }: ObservedDelivery): Context {
  const { isParent, spans } = source.observation.settings
  return isParent || !spans.has('process') ? below(carried) : carried.base
}

function linksOf({ delivery, envelope }: Item, attributes?: Attributes): Link[] {
  return linksTo(delivery.carried.hop, parse(envelope?.['traceparent']), attributes)
}

function attributesOf({ delivery, envelope }: Item): Attributes {
  const attributes = messageAttributes(delivery)
  const id = envelope?.id ?? delivery.id
  if (id !== undefined) Object.assign(attributes, messageId(id))
  const conversation = envelope?.correlationid
  if (conversation !== undefined) attributes['messaging.message.conversation_id'] = conversation
  return attributes
}

/** Those of "CloudEvents Spans"; a subject may quote data. */
function eventAttributes({ envelope }: Item): Attributes {
  if (envelope === undefined) return {}
  return {
    'cloudevents.event_id': envelope.id,
    'cloudevents.event_source': envelope.source,
    'cloudevents.event_spec_version': envelope.specversion,
    'cloudevents.event_type': envelope.type,
  }
}

/** The destination is named where all messages have it. */
function sharedRoute(items: readonly Item[], type: 'receive' | 'process', name: string): Route {
  const first = items[0]!.delivery
  const { routes, observation, subscription } = first.source
  const route = routes.of(first, type, name)
  for (let index = 1; index < items.length; index += 1) {
    if (routes.of(items[index]!.delivery, type, name) === route) continue
    return observation.routes.of({ type, name, destination: undefined, group: subscription.group })
  }
  return route
}

function countDamaged(delivery: ObservedDelivery): void {
  if (!isDamaged(delivery.headers, delivery.carried)) return
  const { observation, routes } = delivery.source
  const { metricAttributes } = routes.of(delivery, 'receive', operationNames.receive(observation.system))
  const group = metricAttributes['messaging.consumer.group.name'] // Absent beyond the bound of names.
  const system = { 'messaging.system': observation.system }
  const attributes = group === undefined ? system : { ...system, 'messaging.consumer.group.name': group }
  observation.instruments.damagedContexts.add(1, attributes)
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
