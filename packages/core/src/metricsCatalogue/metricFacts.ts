import type { HistogramFacts, InstrumentFacts } from '../metrics.js'

interface CatalogueFacts {
  /** When somebody should look, in words that an operator can make a rule of. */
  readonly alert: string
}

/** One counter or gauge of the catalogue. */
export interface NumberFacts extends InstrumentFacts, CatalogueFacts {
  readonly type: 'counter' | 'gauge'
}

/** One histogram of the catalogue. */
export interface DurationFacts extends HistogramFacts, CatalogueFacts {
  readonly type: 'histogram'
}

/** One metric of the catalogue. */
export type MetricFacts = NumberFacts | DurationFacts

/** On everything that a service, or a relay within one, tells: its `source`, and the broker that it talks to. */
export const ofService: readonly string[] = ['posthorn.service', 'messaging.system']

/** As `ofService`, for one group of the service. */
export const ofGroup: readonly string[] = [...ofService, 'messaging.consumer.group.name']

/** As `ofGroup`, for one topic that the group reads. */
export const ofTopic: readonly string[] = [...ofGroup, 'messaging.destination.name']

/** What an alert says of a number that is there to be looked at beside others. */
export const notAlone = 'Not by itself.'
