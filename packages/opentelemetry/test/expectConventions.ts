import type { SpanOperation } from '@posthorn/opentelemetry'
import { expect } from 'vitest'
import { expectedBuckets, expectedMetrics, expectedSpans } from './conventions.js'
import { secret } from './oneOrder.js'
import type { SeenOrder } from './oneOrder.js'
import { idOf, linkedIds, parentIdOf, traceparentOf } from './sdk.js'
import type { ReadableSpan, Sdk } from './sdk.js'

type Known = { readonly destination: string; readonly host?: string; readonly port?: number }

/** The one span of an operation. */
export function only(sdk: Sdk, operation: SpanOperation): ReadableSpan {
  const spans = sdk.spans(operation)
  expect(spans.map(({ name }) => name)).toHaveLength(1)
  return spans[0]!
}

/** Names, kinds and attributes are those of the table, no more and no less. */
export function expectSpans(seen: SeenOrder, system: string, known: Known): void {
  const expected = expectedSpans(system, { ...known, id: seen.id })
  for (const [operation, { name, kind, attributes }] of Object.entries(expected)) {
    const span = only(seen.sdk, operation as SpanOperation)
    expect({ name: span.name, kind: span.kind }).toEqual({ name, kind })
    const shown = Object.entries(span.attributes).map(([key, value]) => [key, attributes[key] === '*' ? '*' : value])
    expect(Object.fromEntries(shown), operation).toEqual(attributes)
    expect(span.status.code, operation).toBe(0)
  }
}

/** "Kafka: example", which holds for every system: who is whose parent, and what is linked. */
export function expectCorrelation(seen: SeenOrder): void {
  const [send, receive, process, settle] = (['send', 'receive', 'process', 'settle'] as const).map((operation) =>
    only(seen.sdk, operation),
  ) as [ReadableSpan, ReadableSpan, ReadableSpan, ReadableSpan]
  expect(parentIdOf(send)).toBe(idOf(seen.origin))
  expect(seen.headers['traceparent']).toBe(traceparentOf(send.spanContext()))
  expect(seen.traceparentExtension).toBe(traceparentOf(seen.origin.spanContext()))
  for (const span of [receive, process]) {
    expect(parentIdOf(span)).toBeUndefined()
    expect(linkedIds(span)).toEqual([idOf(send), idOf(seen.origin)])
  }
  expect(parentIdOf(settle)).toBe(idOf(process))
  expect(seen.activeSpanId).toBe(idOf(process))
}

/** Names, units, buckets and attributes of the four metrics. */
export async function expectMetrics(seen: SeenOrder, system: string, known: Known): Promise<void> {
  const spans = expectedSpans(system, { ...known, id: seen.id })
  const metrics = await seen.sdk.metrics()
  for (const { name, unit, operations, isHistogram, extra } of expectedMetrics) {
    const metric = metrics.find(({ descriptor }) => descriptor.name === name)!
    expect(metric.descriptor.unit).toBe(unit)
    const wanted = operations.map((operation) => {
      const all = spans[operation].attributes
      const names = [
        'messaging.operation.name',
        'messaging.system',
        'messaging.destination.name',
        'messaging.consumer.group.name',
        'server.address',
        'server.port',
        ...extra,
      ]
      return Object.fromEntries(names.filter((key) => key in all).map((key) => [key, all[key]]))
    })
    const points = metric.dataPoints as readonly { attributes: object; value: unknown }[]
    expect(points.map(({ attributes }) => attributes)).toEqual(expect.arrayContaining(wanted))
    expect(points).toHaveLength(wanted.length)
    if (!isHistogram) expect(points.map(({ value }) => value)).toEqual([1])
    else {
      const { buckets, count } = points[0]!.value as { buckets: { boundaries: number[] }; count: number }
      expect(buckets.boundaries).toEqual(expectedBuckets)
      expect(count).toBe(1)
    }
  }
}

/** Nothing that an SDK was given quotes data or keys. */
export async function expectNoData(sdk: Sdk): Promise<void> {
  const spans = sdk.spans().map(({ name, attributes, links, events, status }) => {
    return { name, attributes, links: links.map((link) => link.attributes), events, status }
  })
  const told = JSON.stringify([spans, await sdk.metrics()])
  expect(told).not.toContain(secret)
}
