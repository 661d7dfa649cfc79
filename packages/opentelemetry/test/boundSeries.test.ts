import type { Counter } from '@opentelemetry/api'
import {
  AggregationTemporality,
  createAllowListAttributesProcessor,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import type { ViewOptions } from '@opentelemetry/sdk-metrics'
import { afterEach, describe, expect, test } from 'vitest'
import { BoundSeries } from '../src/boundSeries.js'

interface Reader {
  readonly reader: PeriodicExportingMetricReader
  /** Collects; gives attributes and values. */
  values(): Promise<[object, unknown][]>
}

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()))
})

function createReader(temporality: AggregationTemporality): Reader {
  const exporter = new InMemoryMetricExporter(temporality)
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })
  return {
    reader,
    async values() {
      exporter.reset()
      await reader.forceFlush()
      const all = exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics))
      return all.flatMap(({ dataPoints }) =>
        dataPoints.map(({ attributes, value }): [object, unknown] => [attributes, value]),
      )
    },
  }
}

function createCounter(readers: readonly Reader[], views: ViewOptions[] = []): Counter {
  const provider = new MeterProvider({ readers: readers.map(({ reader }) => reader), views })
  closing.push(() => provider.shutdown())
  return provider.getMeter('test').createCounter('posthorn.test')
}

const add = (counter: Counter, value: number, attributes: object): void => counter.add(value, { ...attributes })

function seriesOf(counter: Counter, attributes: Record<string, string> = { kind: 'a' }): BoundSeries<Counter> {
  return new BoundSeries(() => counter, add, attributes)
}

function measureTimes(series: BoundSeries<Counter>, times: number): void {
  for (let index = 0; index < times; index += 1) series.measure(1)
}

describe('a series of the SDK', () => {
  test('looks up its attributes when the SDK has collected, not for each measurement', async () => {
    const reader = createReader(AggregationTemporality.CUMULATIVE)
    let reads = 0
    const attributes = {
      get kind() {
        reads += 1
        return 'a'
      },
    }
    const counter = createCounter([reader])
    const series = new BoundSeries(
      () => counter,
      (one, value, given) => one.add(value, given),
      attributes,
    )
    measureTimes(series, 1_000)
    await reader.values()
    measureTimes(series, 1_000)
    expect(reads).toBeLessThan(20)
    expect(await reader.values()).toEqual([[{ kind: 'a' }, 2_000]])
  })

  test('counts every measurement once, whatever the readers and however often they collect', async () => {
    const [total, change] = [
      createReader(AggregationTemporality.CUMULATIVE),
      createReader(AggregationTemporality.DELTA),
    ]
    const counter = createCounter([total, change])
    const series = seriesOf(counter)
    for (let round = 1; round <= 4; round += 1) {
      measureTimes(series, 10)
      counter.add(1, { kind: 'a' })
      expect(await change.values()).toEqual([[{ kind: 'a' }, 11]])
      expect(await total.values()).toEqual([[{ kind: 'a' }, 11 * round]])
    }
  })

  test('sizes are counted in their buckets, with the sum', async () => {
    const reader = createReader(AggregationTemporality.CUMULATIVE)
    const provider = new MeterProvider({ readers: [reader.reader] })
    closing.push(() => provider.shutdown())
    const advice = { explicitBucketBoundaries: [1, 2] }
    const histogram = provider.getMeter('test').createHistogram('posthorn.test', { advice })
    const series = new BoundSeries(
      () => histogram,
      (one, value, attributes) => one.record(value, attributes),
      {},
    )
    for (const value of [0.5, 1, 1.5, 4]) series.measure(value)
    expect(await reader.values()).toMatchObject([
      [{}, { count: 4, sum: 7, min: 0.5, max: 4, buckets: { counts: [2, 1, 1] } }],
    ])
  })

  test('a view on the attributes is heeded', async () => {
    const reader = createReader(AggregationTemporality.CUMULATIVE)
    const attributesProcessors = [createAllowListAttributesProcessor(['kind'])]
    const counter = createCounter([reader], [{ instrumentName: 'posthorn.test', attributesProcessors }])
    measureTimes(seriesOf(counter, { kind: 'a', place: 'x' }), 5)
    measureTimes(seriesOf(counter, { kind: 'a', place: 'y' }), 5)
    expect(await reader.values()).toEqual([[{ kind: 'a' }, 10]])
  })

  test('beyond the bound of series it is counted among the others', async () => {
    const reader = createReader(AggregationTemporality.CUMULATIVE)
    const counter = createCounter([reader], [{ instrumentName: 'posthorn.test', aggregationCardinalityLimit: 2 }])
    for (const kind of ['a', 'b', 'c']) measureTimes(seriesOf(counter, { kind }), 5)
    const values = await reader.values()
    expect(values.reduce((sum, [, value]) => sum + Number(value), 0)).toBe(15)
    expect(values).toContainEqual([{ 'otel.metric.overflow': true }, 10])
  })

  test('what a counter refuses is refused', async () => {
    const reader = createReader(AggregationTemporality.CUMULATIVE)
    const series = seriesOf(createCounter([reader]))
    measureTimes(series, 3)
    series.measure(-1)
    series.measure(1)
    expect(await reader.values()).toEqual([[{ kind: 'a' }, 4]])
  })
})

describe('a series of something else', () => {
  test('goes through the API each time', () => {
    const added: [number, object][] = []
    const counter: Counter = { add: (value, attributes) => void added.push([value, { ...attributes }]) }
    measureTimes(seriesOf(counter), 3)
    expect(added).toEqual([1, 1, 1].map((value) => [value, { kind: 'a' }]))
  })

  test.each([
    ['nothing', {}],
    ['no table', { _deltaMetricStorage: {} }],
    ['a table of another kind', { _deltaMetricStorage: { _activeCollectionStorage: { _valueMap: {} } } }],
    ['a table without a map', { _deltaMetricStorage: { _activeCollectionStorage: { _hash: () => '' } } }],
    ['storages of another kind', { _backingStorages: [{}] }],
  ])('with %s where the SDK keeps its series, too', (_, storage) => {
    let sum = 0
    const counter = { add: (value: number) => void (sum += value), _writableMetricStorage: storage }
    measureTimes(seriesOf(counter), 3)
    expect(sum).toBe(3)
  })

  test('nothing at all is measured, until there is an SDK', async () => {
    const reader = createReader(AggregationTemporality.CUMULATIVE)
    let counter: Counter | undefined
    const series = new BoundSeries<Counter>(() => counter, add, { kind: 'a' })
    measureTimes(series, 3)
    counter = createCounter([reader])
    measureTimes(series, 3)
    expect(await reader.values()).toEqual([[{ kind: 'a' }, 3]])
    const other = createReader(AggregationTemporality.CUMULATIVE)
    counter = createCounter([other])
    measureTimes(series, 4)
    expect([await reader.values(), await other.values()]).toEqual([[[{ kind: 'a' }, 3]], [[{ kind: 'a' }, 4]]])
  })
})
