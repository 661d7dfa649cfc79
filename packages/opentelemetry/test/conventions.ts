import { SpanKind } from '@opentelemetry/api'
import type { SpanOperation } from '@posthorn/opentelemetry'

/**
 * What the messaging conventions (version 1.44) ask of the four spans of one message, written from their text:
 * "Messaging spans" (span name, span kind, operation types), "Semantic conventions for Kafka" (attributes; example), and
 * "Semantic conventions for RabbitMQ" (attributes; note on `messaging.destination.name`). `{…}` stands for what a test knows,
 * and `*` for any value.
 */
export interface ExpectedSpan {
  readonly name: string
  readonly kind: SpanKind
  readonly attributes: Readonly<Record<string, string | number>>
}

const type = 'com.example.shop.order.placed.v1'

const kinds: Readonly<Record<SpanOperation, SpanKind>> = {
  send: SpanKind.PRODUCER,
  receive: SpanKind.CLIENT,
  process: SpanKind.CONSUMER,
  settle: SpanKind.CLIENT,
}

const cloudEvents = {
  'cloudevents.event_id': '{id}',
  'cloudevents.event_source': '/shop/checkout',
  'cloudevents.event_spec_version': '1.0',
  'cloudevents.event_type': type,
}
const message = { 'messaging.message.id': '{id}' }
const conversation = { ...message, 'messaging.message.conversation_id': 'c-1' }
const group = { 'messaging.consumer.group.name': 'billing' }
const server = { 'server.address': '{host}', 'server.port': '{port}' }

interface SystemFacts {
  readonly names: Readonly<Record<SpanOperation, string>>
  readonly sentTo: string
  readonly receivedFrom: string
  readonly server: Readonly<Record<string, string>>
  readonly onSend: Readonly<Record<string, string | number>>
  readonly onReceived: Readonly<Record<string, string | number>>
  /** Whether the broker's own id stands on settlements. */
  readonly onSettle: Readonly<Record<string, string | number>>
}

const systems: Readonly<Record<string, SystemFacts>> = {
  memory: {
    names: { send: 'send', receive: 'receive', process: 'process', settle: 'ack' },
    sentTo: '{destination}',
    receivedFrom: '{destination}.billing',
    server: {},
    onSend: {},
    onReceived: {},
    onSettle: message,
  },
  rabbitmq: {
    names: { send: 'send', receive: 'receive', process: 'process', settle: 'ack' },
    sentTo: `{destination}:${type}`,
    receivedFrom: `{destination}:${type}:{destination}.billing`,
    server,
    onSend: { 'messaging.rabbitmq.destination.routing_key': type },
    onReceived: {
      'messaging.rabbitmq.destination.routing_key': type,
      'messaging.rabbitmq.message.delivery_tag': '*',
    },
    onSettle: message,
  },
  kafka: {
    names: { send: 'send', receive: 'poll', process: 'process', settle: 'commit' },
    sentTo: '{destination}',
    receivedFrom: '{destination}',
    server,
    onSend: {},
    onReceived: { 'messaging.destination.partition.id': '*', 'messaging.kafka.offset': '*' },
    onSettle: {},
  },
}

/** The spans of one order that `seeOneOrder` lets through. */
export function expectedSpans(
  system: string,
  known: { readonly id: string; readonly destination: string; readonly host?: string; readonly port?: number },
): Record<SpanOperation, ExpectedSpan> {
  const facts = systems[system]!
  const fill = (value: string | number): string | number => {
    if (value === '{port}') return known.port!
    if (typeof value === 'number') return value
    return value
      .replaceAll('{id}', known.id)
      .replaceAll('{destination}', known.destination)
      .replaceAll('{host}', known.host ?? '')
  }
  const spanOf = (operation: SpanOperation, own: Readonly<Record<string, string | number>>): ExpectedSpan => {
    const destination = operation === 'send' ? facts.sentTo : facts.receivedFrom
    const all = {
      'messaging.system': system,
      'messaging.operation.name': facts.names[operation],
      'messaging.operation.type': operation,
      'messaging.destination.name': destination,
      ...facts.server,
      ...own,
    }
    return {
      name: String(fill(`${facts.names[operation]} ${destination}`)),
      kind: kinds[operation],
      attributes: Object.fromEntries(Object.entries(all).map(([name, value]) => [name, fill(value)])),
    }
  }
  return {
    send: spanOf('send', { ...message, ...facts.onSend }),
    receive: spanOf('receive', { ...conversation, ...group, ...facts.onReceived }),
    process: spanOf('process', { ...conversation, ...cloudEvents, ...group, ...facts.onReceived }),
    settle: spanOf('settle', { ...group, ...facts.onReceived, ...facts.onSettle }),
  }
}

/** "Messaging metrics": name, unit, buckets; and the attributes that a successful operation has. */
export const expectedMetrics = [
  {
    name: 'messaging.client.operation.duration',
    unit: 's',
    operations: ['send', 'receive', 'settle'],
    isHistogram: true,
    extra: ['messaging.operation.type'],
  },
  { name: 'messaging.process.duration', unit: 's', operations: ['process'], isHistogram: true, extra: [] },
  {
    name: 'messaging.client.sent.messages',
    unit: '{message}',
    operations: ['send'],
    isHistogram: false,
    extra: [],
  },
  {
    name: 'messaging.client.consumed.messages',
    unit: '{message}',
    operations: ['receive'],
    isHistogram: false,
    extra: [],
  },
] as const

export const expectedBuckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
