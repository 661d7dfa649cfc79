import { DataPointType } from '@opentelemetry/sdk-metrics'
import type { MetricData } from '@opentelemetry/sdk-metrics'
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus'
import { emptyResource } from '@opentelemetry/resources'
import { metricsCatalogue, prometheusName } from '@posthorn/core/adapter'
import { expect, test } from 'vitest'
import { everything } from './everything.js'

const typeOf = ({ dataPointType }: MetricData): string =>
  dataPointType === DataPointType.HISTOGRAM ? 'histogram' : dataPointType === DataPointType.SUM ? 'counter' : 'gauge'

test('every metric that anything emits is in the catalogue as it is, and every metric of the catalogue is emitted', async () => {
  const emitted = await everything()
  const facts = emitted.map((data) => ({
    name: data.descriptor.name,
    type: typeOf(data),
    unit: data.descriptor.unit,
    description: data.descriptor.description,
  }))
  const byName = (left: { name: string }, right: { name: string }): number => (left.name < right.name ? -1 : 1)
  const expected = metricsCatalogue.map(({ name, type, unit, description }) => ({ name, type, unit, description }))
  expect(facts.toSorted(byName)).toEqual(expected.toSorted(byName))
  for (const { descriptor, dataPoints } of emitted) {
    const labels = [...new Set(dataPoints.flatMap(({ attributes }) => Object.keys(attributes)))]
    const known = metricsCatalogue.find(({ name }) => name === descriptor.name)!.attributes
    expect(labels.toSorted(), descriptor.name).toEqual([...known].toSorted())
  }
})

test('the exporter to Prometheus writes each under the name that the catalogue says', async () => {
  const scopeMetrics = [{ scope: { name: 'posthorn' }, metrics: [...(await everything())] }]
  const text = new PrometheusSerializer().serialize({ resource: emptyResource(), scopeMetrics })
  const written = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${type} ${name}`)
  const expected = metricsCatalogue.map((facts) => `${facts.type} ${prometheusName(facts)}`)
  expect(written.filter((line) => line !== 'gauge target_info').toSorted()).toEqual(expected.toSorted())
  expect(text).toMatch(
    /^posthorn_consumer_retries_total\{.*messaging_consumer_group_name="billing".*posthorn_reason="error".*\} 1$/m,
  )
})
