import { metricsCatalogue, prometheusName } from '@posthorn/core/adapter'

/** What Prometheus adds to everything that it scrapes. */
const scraped = ['job', 'instance']

/** RabbitMQ's own metrics that are used here, with their labels; a test reads them from a real one. */
export const rabbitMqMetrics: Readonly<Record<string, readonly string[]>> = {
  rabbitmq_alarms_memory_used_watermark: [],
  rabbitmq_alarms_free_disk_space_watermark: [],
  rabbitmq_build_info: [],
  rabbitmq_channels: [],
  rabbitmq_connections: [],
  rabbitmq_consumers: [],
  rabbitmq_queue_messages_ready: [],
  rabbitmq_global_messages_received_total: ['protocol'],
  rabbitmq_global_messages_confirmed_total: ['protocol'],
  rabbitmq_global_messages_delivered_total: ['protocol', 'queue_type'],
  rabbitmq_global_messages_acknowledged_total: ['protocol', 'queue_type'],
  rabbitmq_global_messages_redelivered_total: ['protocol', 'queue_type'],
  rabbitmq_global_messages_unroutable_returned_total: ['protocol'],
  rabbitmq_global_messages_unroutable_dropped_total: ['protocol'],
  rabbitmq_process_resident_memory_bytes: [],
  rabbitmq_resident_memory_limit_bytes: [],
  rabbitmq_disk_space_available_bytes: [],
  rabbitmq_disk_space_available_limit_bytes: [],
  rabbitmq_detailed_queue_messages: ['vhost', 'queue'],
  rabbitmq_detailed_queue_messages_ready: ['vhost', 'queue'],
  rabbitmq_detailed_queue_messages_unacked: ['vhost', 'queue'],
  rabbitmq_detailed_queue_consumers: ['vhost', 'queue'],
}

const labelName = (attribute: string): string => attribute.replaceAll('.', '_')

const ofCatalogue = metricsCatalogue.flatMap((facts): [string, readonly string[]][] => {
  const name = prometheusName(facts)
  const labels = facts.attributes.map(labelName)
  if (facts.type !== 'histogram') return [[name, labels]]
  return [
    [`${name}_bucket`, [...labels, 'le']],
    [`${name}_count`, labels],
    [`${name}_sum`, labels],
  ]
})

/** Every metric that a query may name, as Prometheus knows it, with its labels. */
export const knownMetrics: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  [['up', []] as const, ...ofCatalogue, ...Object.entries(rabbitMqMetrics)].map(([name, labels]) => [
    name,
    new Set([...scraped, ...labels]),
  ]),
)
