import { notAlone, ofService } from './metricFacts.js'
import type { NumberFacts } from './metricFacts.js'

interface PublisherMetrics {
  readonly published: NumberFacts
  readonly failed: NumberFacts
  readonly unrouted: NumberFacts
  readonly inFlight: NumberFacts
  readonly inFlightSize: NumberFacts
  readonly window: NumberFacts
  readonly windowSize: NumberFacts
  readonly waiting: NumberFacts
  readonly waitTime: NumberFacts
}

/** What a service tells of its publishing. */
export const publisherMetrics: PublisherMetrics = {
  published: {
    type: 'counter',
    name: 'posthorn.publisher.published',
    unit: '{message}',
    description: 'Publishes that the broker confirmed.',
    attributes: ofService,
    alert: notAlone,
  },
  failed: {
    type: 'counter',
    name: 'posthorn.publisher.failed',
    unit: '{message}',
    description: 'Publishes that rejected, by the code of the error; those that never reached the transport included.',
    attributes: [...ofService, 'error.type'],
    alert: 'It grows: callers got errors.',
  },
  unrouted: {
    type: 'counter',
    name: 'posthorn.publisher.unrouted',
    unit: '{message}',
    description: 'Confirmed events that nobody receives, where the broker can tell.',
    attributes: ofService,
    alert: 'It grows for a service whose events all have receivers.',
  },
  inFlight: {
    type: 'gauge',
    name: 'posthorn.publisher.in_flight',
    unit: '{message}',
    description: 'Publishes that the broker has not confirmed yet.',
    attributes: ofService,
    alert: 'At `posthorn.publisher.window` for minutes.',
  },
  inFlightSize: {
    type: 'gauge',
    name: 'posthorn.publisher.in_flight_size',
    unit: 'By',
    description: 'Bytes of publishes that the broker has not confirmed yet.',
    attributes: ofService,
    alert: 'At `posthorn.publisher.window_size` for minutes.',
  },
  window: {
    type: 'gauge',
    name: 'posthorn.publisher.window',
    unit: '{message}',
    description: 'The limit of `posthorn.publisher.in_flight`: `maxUnconfirmed`.',
    attributes: ofService,
    alert: notAlone,
  },
  windowSize: {
    type: 'gauge',
    name: 'posthorn.publisher.window_size',
    unit: 'By',
    description: 'The limit of `posthorn.publisher.in_flight_size`: `maxUnconfirmedBytes`.',
    attributes: ofService,
    alert: notAlone,
  },
  waiting: {
    type: 'gauge',
    name: 'posthorn.publisher.waiting',
    unit: '{message}',
    description: 'Publishes that wait for room in the window.',
    attributes: ofService,
    alert: 'Above 0 for minutes: the broker is slow, blocked or away, or the window is small.',
  },
  waitTime: {
    type: 'counter',
    name: 'posthorn.publisher.wait_time',
    unit: 's',
    description: 'Time that publishes have waited for room, all added up, counted when the wait of each ends.',
    attributes: ofService,
    alert: 'Its rate is the number of publishes that wait on average: as for `posthorn.publisher.waiting`.',
  },
}
