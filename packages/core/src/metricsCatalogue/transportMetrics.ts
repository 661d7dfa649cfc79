import { ofService, ofTopic } from './metricFacts.js'
import type { NumberFacts } from './metricFacts.js'

interface TransportMetrics {
  readonly ready: NumberFacts
  readonly eventLoopDelay: NumberFacts
  readonly state: NumberFacts
  readonly reconnects: NumberFacts
  readonly blockedTime: NumberFacts
  readonly events: NumberFacts
  readonly kafkaLag: NumberFacts
  readonly kafkaCommitAge: NumberFacts
}

/** What a service tells of itself and of its way to the broker. */
export const transportMetrics: TransportMetrics = {
  ready: {
    type: 'gauge',
    name: 'posthorn.service.ready',
    unit: '{service}',
    description: '1 while everything that the service declared runs and its transport takes messages, else 0.',
    attributes: ofService,
    alert: '0 for minutes.',
    combine: 'min',
  },
  eventLoopDelay: {
    type: 'gauge',
    name: 'posthorn.event_loop.delay',
    unit: 's',
    description: 'The longest that the event loop was blocked within the last minute, where the adapter watches it.',
    attributes: ofService,
    alert:
      'Above half a heartbeat (RabbitMQ) or a quarter of the session timeout (Kafka): the broker soon takes the process for dead.',
    combine: 'max',
  },
  state: {
    type: 'gauge',
    name: 'posthorn.transport.state',
    unit: '{transport}',
    description: 'Transports in each state: idle, connecting, ready, blocked, closed.',
    attributes: [...ofService, 'posthorn.state'],
    alert: 'Not in `ready` for minutes.',
  },
  reconnects: {
    type: 'counter',
    name: 'posthorn.transport.reconnects',
    unit: '{reconnect}',
    description: 'Times that the way to the broker was lost and found again.',
    attributes: ofService,
    alert: 'More than a few within ten minutes: the network, the broker, or a message that breaks the connection.',
  },
  blockedTime: {
    type: 'counter',
    name: 'posthorn.transport.blocked_time',
    unit: 's',
    description: 'Time in which RabbitMQ took no messages (`connection.blocked`), the block that lasts included.',
    attributes: ofService,
    alert: 'It grows: a memory or disk alarm of the broker.',
  },
  events: {
    type: 'counter',
    name: 'posthorn.transport.events',
    unit: '{event}',
    description: 'What the adapter counts, by its name in `health().transport.counts`.',
    attributes: [...ofService, 'posthorn.event'],
    alert:
      '`lostOffsets` or `notKept` at all; `stalled`, `replaced`, `cancelled`, `channelFailures`, `failedCommits` or `staleSettlements` again and again.',
  },
  kafkaLag: {
    type: 'gauge',
    name: 'posthorn.kafka.lag',
    unit: '{message}',
    description: 'Messages of a topic that the group has not committed, in all its processes, as of the last look.',
    attributes: ofTopic,
    alert: 'It grows for longer than a burst of yours lasts. On a retry topic, messages wait there by design.',
    combine: 'max',
  },
  kafkaCommitAge: {
    type: 'gauge',
    name: 'posthorn.kafka.commit_age',
    unit: 's',
    description:
      'For how long finished messages have waited while the committed offset of their partition stood still.',
    attributes: ofTopic,
    alert:
      'Above the longest time that a handler, with its held retries, should take: a message in front of them does not end.',
    combine: 'max',
  },
}

/** What stands in `posthorn.state` of a transport. */
export const transportStates = ['idle', 'connecting', 'ready', 'blocked', 'closed'] as const
