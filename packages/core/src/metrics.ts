/** Attributes of one measurement: few values each, or every value makes a series of its own. */
export type MetricAttributes = Readonly<Record<string, string | number | boolean>>

/** What an instrument measures, as a catalogue shows it. */
export interface InstrumentFacts {
  /** `messaging.process.duration` */
  readonly name: string
  /** In UCUM, as OpenTelemetry writes units: `s`, `By`, `{message}`. */
  readonly unit: string
  readonly description: string
  /** The names of all attributes that a measurement may have. */
  readonly attributes: readonly string[]
  /**
   * What readings with the same attributes come to, such as those of two services of one source: they are added up, or the
   * largest or smallest counts. @default 'sum'
   */
  readonly combine?: 'sum' | 'max' | 'min'
}

/** What an instrument measures, and where the borders of its buckets are, in its unit, ascending. */
export interface HistogramFacts extends InstrumentFacts {
  readonly buckets: readonly number[]
}

/** Only grows. */
export interface Counter {
  add(value: number, attributes?: MetricAttributes): void
}

/** Counts values by size. */
export interface Histogram {
  record(value: number, attributes?: MetricAttributes): void
}

/** One value of a gauge or a counter, at the time when it was asked. */
export interface Reading {
  readonly value: number
  readonly attributes?: MetricAttributes
}

/** Where measurements go. Nothing of it throws, and nothing waits. */
export interface Metrics {
  counter(facts: InstrumentFacts): Counter
  histogram(facts: HistogramFacts): Histogram
  /** `read` is called whenever somebody collects; what is returned ends that. */
  observableGauge(facts: InstrumentFacts, read: () => Iterable<Reading>): () => void
  /**
   * As `observableGauge`, of numbers that only grow: counting costs nothing until somebody collects. What was counted until
   * the end is told on.
   */
  observableCounter(facts: InstrumentFacts, read: () => Iterable<Reading>): () => void
}
