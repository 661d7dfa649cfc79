import { notAlone } from './metricFacts.js'
import type { DurationFacts, NumberFacts } from './metricFacts.js'

/** In seconds; from "Metric: messaging.client.operation.duration". */
const buckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]

const always = ['messaging.operation.name', 'messaging.system', 'messaging.destination.name']
const failure = ['error.type']
const server = ['server.address', 'server.port']
const consumer = ['messaging.consumer.group.name']

interface MessagingMetrics {
  readonly operationDuration: DurationFacts
  readonly processDuration: DurationFacts
  readonly sentMessages: NumberFacts
  readonly consumedMessages: NumberFacts
  readonly damagedContexts: NumberFacts
}

/** The metrics of the messaging conventions, and one of ours; measured as messages pass. */
export const messagingMetrics: MessagingMetrics = {
  operationDuration: {
    type: 'histogram',
    name: 'messaging.client.operation.duration',
    unit: 's',
    description:
      'Duration of sending until the confirmation, of receiving from the hand-over to the call of the handler, and of settling.',
    attributes: [...always, ...failure, 'messaging.operation.type', ...consumer, ...server],
    buckets,
    alert: 'The 99th percentile of `send` stays far above its usual value: the broker confirms slowly.',
  },
  processDuration: {
    type: 'histogram',
    name: 'messaging.process.duration',
    unit: 's',
    description: 'Duration of processing a message or a batch.',
    attributes: [...always, ...failure, ...consumer, ...server],
    buckets,
    alert: 'The share of calls with an `error.type` stays above what is normal for the group.',
  },
  sentMessages: {
    type: 'counter',
    name: 'messaging.client.sent.messages',
    unit: '{message}',
    description: 'Messages that were attempted to be sent to the broker.',
    attributes: [...always, ...failure, ...server],
    alert: 'Messages with an `error.type` for minutes.',
  },
  consumedMessages: {
    type: 'counter',
    name: 'messaging.client.consumed.messages',
    unit: '{message}',
    description: 'Messages that were delivered to handlers.',
    attributes: [...always, ...consumer, ...server],
    alert: notAlone,
  },
  damagedContexts: {
    type: 'counter',
    name: 'posthorn.trace_context.damaged',
    unit: '{message}',
    description: 'Messages whose traceparent header could not be read.',
    attributes: ['messaging.system', ...consumer],
    alert: 'It grows: some sender writes broken headers, and traces end there.',
  },
}
