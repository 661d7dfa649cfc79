import { consumerMetrics } from './consumerMetrics.js'
import { messagingMetrics } from './messagingMetrics.js'
import type { MetricFacts } from './metricFacts.js'
import { outboxMetrics } from './outboxMetrics.js'
import { publisherMetrics } from './publisherMetrics.js'
import { transportMetrics } from './transportMetrics.js'

/** Every metric that any part of Posthorn emits, in the order of docs/reference/metrics.md. Names never change. */
export const metricsCatalogue: readonly MetricFacts[] = [
  messagingMetrics,
  transportMetrics,
  publisherMetrics,
  consumerMetrics,
  outboxMetrics,
].flatMap((part): MetricFacts[] => Object.values(part))

/** The name under which the Prometheus exporter of OpenTelemetry for Node.js shows a metric; it adds no units. */
export function prometheusName({ name, type }: MetricFacts): string {
  return name.replaceAll('.', '_') + (type === 'counter' ? '_total' : '')
}
