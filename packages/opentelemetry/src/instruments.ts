import { messagingMetrics } from '@posthorn/core/adapter'
import type { Counter, Histogram, MetricAttributes } from '@posthorn/core/adapter'
import type { SpanOperation } from './options.js'
import type { OpenTelemetryMetrics, WithSeries } from './openTelemetryMetrics.js'

/** The metrics of the messaging conventions, and one of ours. */
export interface Instruments {
  readonly operationDuration: Histogram & WithSeries
  readonly processDuration: Histogram & WithSeries
  readonly sentMessages: Counter & WithSeries
  readonly consumedMessages: Counter & WithSeries
  readonly damagedContexts: Counter
}

export function createInstruments(metrics: OpenTelemetryMetrics): Instruments {
  return {
    operationDuration: metrics.histogram(messagingMetrics.operationDuration),
    processDuration: metrics.histogram(messagingMetrics.processDuration),
    sentMessages: metrics.counter(messagingMetrics.sentMessages),
    consumedMessages: metrics.counter(messagingMetrics.consumedMessages),
    damagedContexts: metrics.counter(messagingMetrics.damagedContexts),
  }
}

/** What is measured of the operations of one kind at one place. */
export interface Measures {
  /** One that took so many seconds, on so many messages, and perhaps failed, for a reason that is an `error.type`. */
  add(seconds: number, messageCount: number, errorType: string | undefined): void
}

export function measuresOf(instruments: Instruments, type: SpanOperation, attributes: MetricAttributes): Measures {
  const { operationDuration, processDuration } = instruments
  const duration = type === 'process' ? processDuration : operationDuration
  const ofDuration = type === 'process' ? attributes : { ...attributes, 'messaging.operation.type': type }
  const messages = { send: instruments.sentMessages, receive: instruments.consumedMessages }
  const counter = type === 'send' || type === 'receive' ? messages[type] : undefined
  const durations = duration.series(ofDuration)
  const counts = counter?.series(attributes)
  return {
    add(seconds, messageCount, errorType) {
      if (errorType === undefined) {
        durations.measure(seconds)
        counts?.measure(messageCount)
        return
      }
      counter?.add(messageCount, { ...attributes, 'error.type': errorType })
      duration.record(seconds, { ...ofDuration, 'error.type': errorType })
    },
  }
}
