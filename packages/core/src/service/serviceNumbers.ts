import type { ConsumerReadings, ManagedConsumer } from '../consumer/consumer.js'
import type { ConsumerHealth } from '../consumer/consumerHealth.js'
import type { Metrics, Reading } from '../metrics.js'
import { consumerMetrics, consumerStates } from '../metricsCatalogue/consumerMetrics.js'
import { publisherMetrics } from '../metricsCatalogue/publisherMetrics.js'
import { transportMetrics, transportStates } from '../metricsCatalogue/transportMetrics.js'
import { observeNumbers, readingsBy, readingsOfState } from '../observeNumbers.js'
import type { ObservedNumber } from '../observeNumbers.js'
import type { TopicHealth, TransportHealth } from '../ports.js'
import type { ManagedPublisher } from '../publisher/publisher.js'

/** Where the numbers of a service stand. */
export interface ServiceNumbers {
  isReady(): boolean
  transport(): TransportHealth
  readonly publisher: Pick<ManagedPublisher, 'health' | 'readings'>
  consumers(): readonly Pick<ManagedConsumer, 'health' | 'readings'>[]
}

/** Shows the numbers of one service as metrics until what is returned is called. */
export function observeService(metrics: Metrics, numbers: ServiceNumbers): () => void {
  return observeNumbers(metrics, [
    { of: transportMetrics.ready, read: () => Number(numbers.isReady()) },
    ...transportNumbers(() => numbers.transport()),
    ...publisherNumbers(numbers.publisher),
    ...consumerNumbers(() => numbers.consumers()),
  ])
}

function transportNumbers(health: () => TransportHealth): ObservedNumber[] {
  const topics = (valueOf: (topic: TopicHealth) => number | undefined): Reading[] =>
    (health().topics ?? []).flatMap((topic) => {
      const value = valueOf(topic)
      const attributes = { 'messaging.consumer.group.name': topic.group, 'messaging.destination.name': topic.topic }
      return value === undefined ? [] : [{ value, attributes }]
    })
  return [
    { of: transportMetrics.eventLoopDelay, read: () => seconds(health().eventLoopDelayMs) },
    { of: transportMetrics.state, read: () => readingsOfState(health().state, transportStates) },
    { of: transportMetrics.reconnects, read: () => health().reconnects },
    { of: transportMetrics.blockedTime, read: () => seconds(health().blockedMs) },
    { of: transportMetrics.events, read: () => readingsBy('posthorn.event', health().counts ?? {}) },
    { of: transportMetrics.kafkaLag, read: () => topics(({ lag }) => lag) },
    { of: transportMetrics.kafkaCommitAge, read: () => topics(({ commitAgeMs }) => seconds(commitAgeMs)) },
  ]
}

function publisherNumbers({ health, readings }: ServiceNumbers['publisher']): ObservedNumber[] {
  return [
    { of: publisherMetrics.published, read: () => health().published },
    { of: publisherMetrics.failed, read: () => readingsBy('error.type', readings().failures) },
    { of: publisherMetrics.unrouted, read: () => health().unrouted },
    { of: publisherMetrics.inFlight, read: () => health().unconfirmed },
    { of: publisherMetrics.inFlightSize, read: () => health().unconfirmedBytes },
    { of: publisherMetrics.window, read: () => readings().maxUnconfirmed },
    { of: publisherMetrics.windowSize, read: () => readings().maxUnconfirmedBytes },
    { of: publisherMetrics.waiting, read: () => health().waiting },
    { of: publisherMetrics.waitTime, read: () => seconds(readings().waitedMs) },
  ]
}

type ReadOne = (health: ConsumerHealth, readings: ConsumerReadings) => number | undefined | readonly Reading[]

function consumerNumbers(consumers: ServiceNumbers['consumers']): ObservedNumber[] {
  const each = (readOne: ReadOne) => (): Reading[] =>
    consumers().flatMap((consumer) => {
      const health = consumer.health()
      const found = readOne(health, consumer.readings())
      if (found === undefined) return []
      const readings = typeof found === 'number' ? [{ value: found, attributes: {} }] : found
      const group = { 'messaging.consumer.group.name': health.group }
      return readings.map(({ value, attributes }) => ({ value, attributes: { ...group, ...attributes } }))
    })
  const by = (reasons: Readonly<Record<string, number>> | undefined): Reading[] =>
    readingsBy('posthorn.reason', reasons ?? {})
  return [
    { of: consumerMetrics.state, read: each(({ state }) => readingsOfState(state, consumerStates)) },
    { of: consumerMetrics.inFlight, read: each(({ inFlight }) => inFlight) },
    { of: consumerMetrics.window, read: each((_, { window }) => window) },
    { of: consumerMetrics.running, read: each(({ running }) => running) },
    { of: consumerMetrics.concurrency, read: each((_, { concurrency }) => concurrency) },
    {
      of: consumerMetrics.waiting,
      read: each(({ held }, { pipeline }) => pipeline && by({ ...pipeline.waiting, retry: held })),
    },
    { of: consumerMetrics.waitTime, read: each((_, { pipeline }) => seconds(pipeline?.waitedMs)) },
    { of: consumerMetrics.oldestAge, read: each((_, { pipeline }) => seconds(pipeline?.oldestMs)) },
    { of: consumerMetrics.heldKeys, read: each(({ held }, { maxHeldKeys }) => maxHeldKeys && held) },
    { of: consumerMetrics.heldKeysLimit, read: each((_, { maxHeldKeys }) => maxHeldKeys) },
    { of: consumerMetrics.settled, read: each((health) => readingsBy('posthorn.outcome', outcomesOf(health))) },
    { of: consumerMetrics.retries, read: each((_, { pipeline }) => by(pipeline?.reasons.retries)) },
    { of: consumerMetrics.deadLetters, read: each((_, { pipeline }) => by(pipeline?.reasons.deadLetters)) },
    { of: consumerMetrics.skipped, read: each((_, { pipeline }) => by(pipeline?.reasons.skipped)) },
    { of: consumerMetrics.stuck, read: each(({ stuck }) => stuck) },
    { of: consumerMetrics.handlerTimeouts, read: each(({ timedOut }) => timedOut) },
  ]
}

function outcomesOf(health: ConsumerHealth): Record<string, number> {
  const { handled, retried, forwarded, deadLettered, skipped, discarded, released } = health
  return { handled, retried, forwarded, deadLettered, skipped, discarded, released }
}

function seconds(ms: number): number
function seconds(ms: number | undefined): number | undefined
function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1_000
}
