import type { MetricAttributes, Metrics, Reading } from './metrics.js'
import type { NumberFacts } from './metricsCatalogue/metricFacts.js'
import type { OptionRule } from './optionProblems.js'

/** A metric of the catalogue, and where its number is read when somebody collects. */
export interface ObservedNumber {
  readonly of: NumberFacts
  /** One number, one for each set of attributes, or undefined while there is none. */
  readonly read: () => number | undefined | Iterable<Reading>
}

/** Shows numbers as metrics until what is returned is called; whoever counts them pays nothing for it. */
export function observeNumbers(metrics: Metrics, numbers: readonly ObservedNumber[]): () => void {
  const ends = numbers.map(({ of, read }) => {
    const readings = (): Iterable<Reading> => {
      const found = read()
      if (found === undefined) return []
      return typeof found === 'number' ? [{ value: found }] : found
    }
    return of.type === 'counter' ? metrics.observableCounter(of, readings) : metrics.observableGauge(of, readings)
  })
  return () => {
    for (const end of ends) end()
  }
}

/** A reading for each name, which becomes the attribute. */
export function readingsBy(attribute: string, values: Readonly<Record<string, number>>): Reading[] {
  return Object.entries(values).map(([name, value]) => ({ value, attributes: { [attribute]: name } }))
}

/** 1 for the state that it is in, 0 for each other. */
export function readingsOfState(state: string, states: readonly string[]): Reading[] {
  return states.map((one) => ({ value: one === state ? 1 : 0, attributes: { 'posthorn.state': one } }))
}

/** The same metrics, whose measurements all have `attributes` besides their own. */
export function withAttributes(metrics: Metrics, attributes: MetricAttributes): Metrics {
  const all = (own: MetricAttributes | undefined): MetricAttributes => ({ ...attributes, ...own })
  const allOf = (read: () => Iterable<Reading>) => (): Reading[] =>
    Array.from(read(), (reading) => ({ value: reading.value, attributes: all(reading.attributes) }))
  return {
    counter(facts) {
      const counter = metrics.counter(facts)
      return { add: (value, own) => counter.add(value, all(own)) }
    },
    histogram(facts) {
      const histogram = metrics.histogram(facts)
      return { record: (value, own) => histogram.record(value, all(own)) }
    },
    observableGauge: (facts, read) => metrics.observableGauge(facts, allOf(read)),
    observableCounter: (facts, read) => metrics.observableCounter(facts, allOf(read)),
  }
}

/** An object, perhaps of a class, that takes numbers. */
export const metricsRule: OptionRule = (value, path) => {
  const given = value as Partial<Metrics> | null
  const isComplete = [given?.observableGauge, given?.observableCounter].every((one) => typeof one === 'function')
  return isComplete ? undefined : `${path} must be the metrics of what createOpenTelemetry() makes`
}
