import { context, isSpanContextValid, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import type { Attributes, Context, Link, Span } from '@opentelemetry/api'
import { PublishError } from '@posthorn/core/adapter'
import type { Receipt, SendOptions, Target, Transport, WireMessage } from '@posthorn/core/adapter'
import { contextWith, end, heldSpan, isRecording, startSpan, well, withoutClientSpans } from './observation.js'
import type { Observation, Operation } from './observation.js'
import { ObservedDelivery } from './observedDelivery.js'
import { sendDestination } from './routes.js'
import type { Route } from './routes.js'
import { below, extract, inject, isEmpty, linksTo, noLinks } from './traceContext.js'
import { quietly, tellFault } from './quietly.js'

/** What a transport is asked to send. */
export interface Send {
  readonly target: Target
  readonly message: WireMessage
  readonly options: SendOptions
}

/** Sends a message within its span, whose context its headers carry from then on. */
export function observedSend(observation: Observation, transport: Transport, send: Send): Promise<Receipt> {
  const { target, options } = send
  const sending = Sending.begin(observation, send)
  if (sending === undefined) return transport.send(target, send.message, options)
  try {
    const work = (): Promise<Receipt> => transport.send(target, sending.message, options)
    // There is no instrumentation for memory, and a suppressed context would reach handlers of the same process.
    const sent = observation.system === 'memory' ? work() : withoutClientSpans(work)
    return sent.then(
      (receipt) => sending.succeeded(receipt),
      (error: unknown) => sending.failed(error),
    )
  } catch (error) {
    return sending.failed(error)
  }
}

/** Only its code is looked at. */
const unrouted = new PublishError({ code: 'POSTHORN_PUBLISH_UNROUTED', outcome: 'notSent', message: 'Unrouted' })

/** A send that somebody watches. A class, like everything that is made for each message: functions made for each cost more. */
class Sending implements Operation {
  readonly route: Route
  readonly span: Span | undefined
  readonly startedAt: number
  /** The message, whose headers carry the span. */
  readonly message: WireMessage
  readonly #observation: Observation
  readonly #mustRoute: boolean

  /** Undefined where the SDK fails. */
  static begin(observation: Observation, send: Send): Sending | undefined {
    try {
      return new Sending(observation, send)
    } catch (error) {
      tellFault(error)
      return undefined
    }
  }

  private constructor(observation: Observation, send: Send) {
    const { target, message, options } = send
    this.#observation = observation
    this.#mustRoute = options.mustRoute === true || !('destination' in target)
    this.startedAt = performance.now()
    this.route = observation.routes.ofSend(target, message.type)
    const { route, startedAt } = this
    const { parent, links } = correlationOf(observation, send)
    const span = startSpan(observation, { type: 'send', route, parent, links, startedAt })
    if (isRecording(span)) span.setAttributes(attributesOf(observation, send))
    this.span = heldSpan(span)
    this.message = span === undefined ? message : carrying(message, parent, span)
  }

  succeeded(receipt: Receipt): Receipt {
    const isLost = receipt.routed === false && this.#mustRoute
    try {
      end(this.#observation, this, isLost ? { error: { of: unrouted } } : well)
    } catch (error) {
      tellFault(error)
    }
    return receipt
  }

  failed(error: unknown): never {
    quietly(() => end(this.#observation, this, { error: { of: error } }))
    throw error
  }
}

/** What the span says of the message; beside that, the route says all. */
function attributesOf({ system, settings }: Observation, { message, target }: Send): Attributes {
  const attributes: Attributes = { 'messaging.message.id': message.id }
  const { routingKey } = sendDestination(system, target, message.type)
  if (routingKey !== undefined) attributes['messaging.rabbitmq.destination.routing_key'] = routingKey
  if (system !== 'kafka') return attributes
  if (message.body === null) attributes['messaging.kafka.message.tombstone'] = true
  if (settings.messageKeys && message.partitionKey !== undefined) {
    attributes['messaging.kafka.message.key'] = message.partitionKey
  }
  return attributes
}

/** The message with the context of its send in its headers; as it is where there is none. */
function carrying(message: WireMessage, parent: Context, span: Span): WireMessage {
  const spanContext = span.spanContext()
  if (!isSpanContextValid(spanContext)) return message
  // A copy of nothing costs more than nothing.
  const headers: Record<string, string> = isEmpty(message.headers) ? {} : { ...message.headers }
  inject(contextWith(parent, span), spanContext, headers)
  return { ...message, headers }
}

/**
 * A message that is published now carries the active trace, which is its parent. Any other trace in its headers is that of an
 * outbox, or of the delivery that the message is a copy of: it is linked, or the parent where the options say so. The active
 * context alone says nothing: a relay runs in that of whoever woke it.
 */
function correlationOf(
  { settings }: Observation,
  { message, options }: Send,
): { readonly parent: Context; readonly links: Link[] } {
  const carried = extract(message.headers)
  const { hop } = carried
  const handled = options.copyOf instanceof ObservedDelivery ? options.copyOf.processContext : undefined
  if (handled !== undefined) return { parent: handled, links: linksTo(hop, undefined) }
  if (hop === undefined) return { parent: settings.isParent ? carried.base : ROOT_CONTEXT, links: noLinks }
  const active = context.active()
  if (hop.spanId === trace.getSpanContext(active)?.spanId) return { parent: active, links: noLinks }
  if (settings.isParent) return { parent: below(carried), links: noLinks }
  return { parent: ROOT_CONTEXT, links: linksTo(hop, undefined) }
}
