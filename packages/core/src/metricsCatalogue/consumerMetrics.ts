import { notAlone, ofGroup } from './metricFacts.js'
import type { NumberFacts } from './metricFacts.js'

interface ConsumerMetrics {
  readonly state: NumberFacts
  readonly inFlight: NumberFacts
  readonly window: NumberFacts
  readonly running: NumberFacts
  readonly concurrency: NumberFacts
  readonly waiting: NumberFacts
  readonly waitTime: NumberFacts
  readonly oldestAge: NumberFacts
  readonly heldKeys: NumberFacts
  readonly heldKeysLimit: NumberFacts
  readonly settled: NumberFacts
  readonly retries: NumberFacts
  readonly deadLetters: NumberFacts
  readonly skipped: NumberFacts
  readonly stuck: NumberFacts
  readonly handlerTimeouts: NumberFacts
}

const withReason = [...ofGroup, 'posthorn.reason']

/** What a service tells of each group that it consumes for. */
export const consumerMetrics: ConsumerMetrics = {
  state: {
    type: 'gauge',
    name: 'posthorn.consumer.state',
    unit: '{consumer}',
    description: 'Consumers in each state: idle, starting, running, paused, draining, stopped.',
    attributes: [...ofGroup, 'posthorn.state'],
    alert: 'Not in `running` for minutes, unless you paused it.',
  },
  inFlight: {
    type: 'gauge',
    name: 'posthorn.consumer.in_flight',
    unit: '{message}',
    description: 'Deliveries that are not settled.',
    attributes: ofGroup,
    alert:
      'At `posthorn.consumer.window` for minutes, while the broker has a backlog: handlers are too slow or too few.',
  },
  window: {
    type: 'gauge',
    name: 'posthorn.consumer.window',
    unit: '{message}',
    description: 'The limit of `posthorn.consumer.in_flight`: `maxInFlight` for each destination.',
    attributes: ofGroup,
    alert: notAlone,
  },
  running: {
    type: 'gauge',
    name: 'posthorn.consumer.running',
    unit: '{call}',
    description: 'Calls of handlers that run.',
    attributes: ofGroup,
    alert: 'At `posthorn.consumer.concurrency` for minutes, while deliveries wait.',
  },
  concurrency: {
    type: 'gauge',
    name: 'posthorn.consumer.concurrency',
    unit: '{call}',
    description: 'The limit of `posthorn.consumer.running`: `concurrency`.',
    attributes: ofGroup,
    alert: notAlone,
  },
  waiting: {
    type: 'gauge',
    name: 'posthorn.consumer.waiting',
    unit: '{message}',
    description:
      'Deliveries that wait in the process: for a `slot`, for an earlier message of their `key`, for their `retry`.',
    attributes: withReason,
    alert: notAlone,
  },
  waitTime: {
    type: 'counter',
    name: 'posthorn.consumer.wait_time',
    unit: 's',
    description:
      'Time that deliveries have waited for their slot and their key, all added up, counted when their handler is called.',
    attributes: ofGroup,
    alert:
      'Its rate is the number of deliveries that wait on average: compare it with `posthorn.consumer.concurrency`.',
  },
  oldestAge: {
    type: 'gauge',
    name: 'posthorn.consumer.oldest_age',
    unit: 's',
    description: 'Age of the oldest delivery in the process that is not settled.',
    attributes: ofGroup,
    alert: 'Above the longest time that a handler, with its held retries, should take: a handler does not end.',
    combine: 'max',
  },
  heldKeys: {
    type: 'gauge',
    name: 'posthorn.consumer.held_keys',
    unit: '{key}',
    description: "Keys that wait for a retry of their first message, in groups with `onRetry: 'holdKey'`.",
    attributes: ofGroup,
    alert: 'At `posthorn.consumer.held_keys_limit`: intake slows down.',
  },
  heldKeysLimit: {
    type: 'gauge',
    name: 'posthorn.consumer.held_keys_limit',
    unit: '{key}',
    description: 'Where held keys begin to keep slots: `maxHeldKeys`.',
    attributes: ofGroup,
    alert: notAlone,
  },
  settled: {
    type: 'counter',
    name: 'posthorn.consumer.settled',
    unit: '{message}',
    description:
      'Deliveries by how they ended: handled, retried, forwarded, deadLettered, skipped, discarded, released.',
    attributes: [...ofGroup, 'posthorn.outcome'],
    alert: 'Nothing is `handled` for minutes, while deliveries are in flight.',
  },
  retries: {
    type: 'counter',
    name: 'posthorn.consumer.retries',
    unit: '{message}',
    description:
      'Failed attempts that are repeated, in the process or through a rung, by why: error, timeout, retryAfter.',
    attributes: withReason,
    alert: 'More than a small share of what is handled.',
  },
  deadLetters: {
    type: 'counter',
    name: 'posthorn.consumer.dead_letters',
    unit: '{message}',
    description: 'Messages that were put aside, by the reason that stands on the dead letter.',
    attributes: withReason,
    alert: 'It grows: somebody has to look at the message.',
  },
  skipped: {
    type: 'counter',
    name: 'posthorn.consumer.skipped',
    unit: '{message}',
    description: 'Messages that were completed unhandled: unhandledType, or foreign.',
    attributes: withReason,
    alert: 'It grows on Kafka or where bindings are new: a handler may be missing.',
  },
  stuck: {
    type: 'gauge',
    name: 'posthorn.consumer.stuck',
    unit: '{message}',
    description: 'Retry copies and dead letters that the broker does not take; their originals stay unsettled.',
    attributes: ofGroup,
    alert: 'Above 0 for minutes.',
  },
  handlerTimeouts: {
    type: 'counter',
    name: 'posthorn.consumer.handler_timeouts',
    unit: '{call}',
    description: 'Calls that ran, or still run, past `handlerTimeoutMs`; each keeps its slot until it ends.',
    attributes: ofGroup,
    alert: 'It grows: what handlers wait for is slow or hangs.',
  },
}

/** What stands in `posthorn.state` of a consumer. */
export const consumerStates = ['idle', 'starting', 'running', 'paused', 'draining', 'stopped'] as const
