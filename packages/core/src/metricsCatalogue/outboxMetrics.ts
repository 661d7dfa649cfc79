import { notAlone, ofService } from './metricFacts.js'
import type { NumberFacts } from './metricFacts.js'

interface OutboxMetrics {
  readonly relayReady: NumberFacts
  readonly held: NumberFacts
  readonly window: NumberFacts
  readonly inFlight: NumberFacts
  readonly waitingKeys: NumberFacts
  readonly leases: NumberFacts
  readonly published: NumberFacts
  readonly events: NumberFacts
  readonly depth: NumberFacts
  readonly oldestAge: NumberFacts
  readonly scheduled: NumberFacts
  readonly parkedKeys: NumberFacts
  readonly deadRows: NumberFacts
  readonly horizonAge: NumberFacts
  readonly inboxHandled: NumberFacts
  readonly inboxDuplicates: NumberFacts
  readonly inboxExpired: NumberFacts
  readonly inboxDropped: NumberFacts
}

/**
 * What relays and inboxes tell. Every relay tells the same of the outbox as a whole: `posthorn.outbox.*` is not to be added up
 * over processes.
 */
export const outboxMetrics: OutboxMetrics = {
  relayReady: {
    type: 'gauge',
    name: 'posthorn.relay.ready',
    unit: '{relay}',
    description:
      '1 while the relay runs, its leases are valid, its transport takes messages and not too many keys wait, else 0.',
    attributes: ofService,
    alert: '0 for minutes.',
    combine: 'min',
  },
  held: {
    type: 'gauge',
    name: 'posthorn.relay.held',
    unit: '{entry}',
    description: 'Entries in the memory of the relay, from reading to removing.',
    attributes: ofService,
    alert: 'At `posthorn.relay.window` for minutes: the broker is slow, or keys wait.',
  },
  window: {
    type: 'gauge',
    name: 'posthorn.relay.window',
    unit: '{entry}',
    description: 'The limit of `posthorn.relay.held`: `maxInFlight`.',
    attributes: ofService,
    alert: notAlone,
  },
  inFlight: {
    type: 'gauge',
    name: 'posthorn.relay.in_flight',
    unit: '{entry}',
    description: 'Entries that were sent and are not confirmed yet.',
    attributes: ofService,
    alert: notAlone,
  },
  waitingKeys: {
    type: 'gauge',
    name: 'posthorn.relay.waiting_keys',
    unit: '{key}',
    description: 'Keys that wait because their destination takes nothing.',
    attributes: ofService,
    alert: 'Above 0 for minutes.',
  },
  leases: {
    type: 'gauge',
    name: 'posthorn.relay.leases',
    unit: '{partition}',
    description: 'Partitions of the outbox that the relay owns.',
    attributes: ofService,
    alert: 'The sum over all relays is below the number of partitions for longer than a lease.',
  },
  published: {
    type: 'counter',
    name: 'posthorn.relay.published',
    unit: '{entry}',
    description: 'Entries that the broker confirmed.',
    attributes: ofService,
    alert: 'It stands still while `posthorn.outbox.depth` is above 0.',
  },
  events: {
    type: 'counter',
    name: 'posthorn.relay.events',
    unit: '{event}',
    description: 'What else the relay counts, by its name in `health().counts`.',
    attributes: [...ofService, 'posthorn.event'],
    alert: '`parked` at all; `failed`, `outages`, `leasesLost` or `storeFailures` again and again.',
  },
  depth: {
    type: 'gauge',
    name: 'posthorn.outbox.depth',
    unit: '{entry}',
    description: 'Entries in the outbox, as of the last look.',
    attributes: ofService,
    alert: 'It grows for longer than a burst of yours lasts.',
    combine: 'max',
  },
  oldestAge: {
    type: 'gauge',
    name: 'posthorn.outbox.oldest_age',
    unit: 's',
    description: 'Age of the oldest entry that is due, as of the last look.',
    attributes: ofService,
    alert: 'Above what a message may be late: nothing relays it, or its key is parked.',
    combine: 'max',
  },
  scheduled: {
    type: 'gauge',
    name: 'posthorn.outbox.scheduled',
    unit: '{entry}',
    description: 'Entries whose time has not come, as of the last look.',
    attributes: ofService,
    alert: notAlone,
    combine: 'max',
  },
  parkedKeys: {
    type: 'gauge',
    name: 'posthorn.outbox.parked_keys',
    unit: '{key}',
    description:
      'Keys that wait for a decision, since an entry of theirs fails for its own reason; as of the last look.',
    attributes: ofService,
    alert: 'Above 0: somebody has to decide.',
    combine: 'max',
  },
  deadRows: {
    type: 'gauge',
    name: 'posthorn.outbox.dead_rows',
    unit: '{row}',
    description: 'Deleted entries that the database still keeps, where the store can tell; as of the last look.',
    attributes: ofService,
    alert: 'Many times what is published in a minute: vacuum does not get through.',
    combine: 'max',
  },
  horizonAge: {
    type: 'gauge',
    name: 'posthorn.outbox.horizon_age',
    unit: '{transaction}',
    description: 'Transactions begun since the oldest that is open, where the store can tell; as of the last look.',
    attributes: ofService,
    alert: 'It grows together with the dead rows: an open transaction keeps them from being cleared away.',
    combine: 'max',
  },
  inboxHandled: {
    type: 'counter',
    name: 'posthorn.inbox.handled',
    unit: '{message}',
    description: 'Messages that were handled, and are remembered.',
    attributes: ofService,
    alert: notAlone,
  },
  inboxDuplicates: {
    type: 'counter',
    name: 'posthorn.inbox.duplicates',
    unit: '{message}',
    description: 'Deliveries of messages that were handled before: completed without a call of the handler.',
    attributes: ofService,
    alert: 'A large share of what is handled: something sends or delivers again and again.',
  },
  inboxExpired: {
    type: 'counter',
    name: 'posthorn.inbox.expired',
    unit: '{message}',
    description: 'Messages older than what the inbox remembers.',
    attributes: ofService,
    alert: 'It grows: the retention is too short for what is replayed or delayed.',
  },
  inboxDropped: {
    type: 'counter',
    name: 'posthorn.inbox.dropped',
    unit: '{partition}',
    description: 'Partitions of old messages that this process dropped.',
    attributes: ofService,
    alert: notAlone,
  },
}
