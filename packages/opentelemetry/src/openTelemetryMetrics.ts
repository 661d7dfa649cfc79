import type { Counter as SdkCounter, Histogram as SdkHistogram, Meter } from '@opentelemetry/api'
import type {
  Counter,
  Histogram,
  HistogramFacts,
  InstrumentFacts,
  MetricAttributes,
  Metrics,
} from '@posthorn/core/adapter'
import { BoundSeries } from './boundSeries.js'
import type { Series } from './boundSeries.js'
import { Observable } from './observable.js'
import type { NameBounds } from './observable.js'
import type { Providers } from './providers.js'

/** Gives one set of attributes of an instrument, for what is measured of every message: at a tenth of the cost. */
export interface WithSeries {
  series(attributes: MetricAttributes): Series
}

/** The metrics port, whose counters and histograms can give series. */
export interface OpenTelemetryMetrics extends Metrics {
  counter(facts: InstrumentFacts): Counter & WithSeries
  histogram(facts: HistogramFacts): Histogram & WithSeries
}

/**
 * The metrics of the core, as instruments of OpenTelemetry. They are made when there is an SDK, and anew when there is
 * another one; until then a measurement goes nowhere.
 */
export function createOpenTelemetryMetrics(providers: Providers, bounds: NameBounds): OpenTelemetryMetrics {
  /** By name: each is made once, however many services are read for it. */
  const observables = new Map<string, Observable>()

  function observed(make: 'createObservableGauge' | 'createObservableCounter', facts: InstrumentFacts): Observable {
    const known = observables.get(facts.name)
    if (known !== undefined) return known
    const observable = new Observable(facts, { isCounter: make === 'createObservableCounter', bounds })
    observables.set(facts.name, observable)
    providers.onMeter((meter) => {
      meter?.[make](facts.name, described(facts)).addCallback((result) => observable.observe(result))
    })
    return observable
  }

  return {
    counter(facts) {
      const current = following(providers, (meter) => meter.createCounter(facts.name, described(facts)))
      return {
        add: (value, attributes) => current()?.add(value, attributes),
        series: (attributes) => new BoundSeries(current, add, attributes),
      }
    },
    histogram(facts) {
      const advice = { explicitBucketBoundaries: [...facts.buckets] }
      const current = following(providers, (meter) =>
        meter.createHistogram(facts.name, { ...described(facts), advice }),
      )
      return {
        record: (value, attributes) => current()?.record(value, attributes),
        series: (attributes) => new BoundSeries(current, record, attributes),
      }
    },
    observableGauge: (facts, read) => observed('createObservableGauge', facts).add(read),
    observableCounter: (facts, read) => observed('createObservableCounter', facts).add(read),
  }
}

const add = (counter: SdkCounter, value: number, attributes: MetricAttributes): void => counter.add(value, attributes)

const record = (histogram: SdkHistogram, value: number, attributes: MetricAttributes): void =>
  histogram.record(value, attributes)

function described({ unit, description }: InstrumentFacts): { unit: string; description: string } {
  return { unit, description }
}

/** An instrument of the meter that is there now. */
function following<Instrument>(providers: Providers, make: (meter: Meter) => Instrument): () => Instrument | undefined {
  let madeBy: Meter | undefined
  let instrument: Instrument | undefined
  return () => {
    const meter = providers.meter()
    if (meter !== madeBy) {
      madeBy = meter
      instrument = meter && make(meter)
    }
    return instrument
  }
}
