import { outboxSuites } from './outboxSuites.js'
import type { Requirement } from './requirement.js'

const {
  store,
  lyingStores,
  relay,
  leases,
  ownFailures,
  outages,
  unrouted,
  hints,
  simulation,
  again,
  lockKeys,
  listener,
  longSession,
  polling,
  wrongClocks,
  plan,
  faultRun,
  betrayed,
} = outboxSuites

/** The first part of group E: from the outbox to the broker. */
export const relayingRequirements: readonly Requirement[] = [
  {
    id: 'E1',
    failure: 'A relay that remembers the highest id loses what is committed later with a lower one.',
    musts: [
      {
        must: 'A relay reads what is there, and deletes what is confirmed; it never starts behind an id.',
        tests: [
          store(
            'lateCommits: an entry whose transaction takes longer is read, though a higher id was read and removed before',
          ),
          store('lateCommits: an entry that is committed late comes before those of higher ids that are still there'),
          relay('sends an entry that was committed late before those of its key that are not sent yet'),
          simulation('loses nothing, invents nothing, keeps each key in order and parks only what is to blame'),
          lyingStores('notices %s by %s'),
          faultRun,
          betrayed,
        ],
      },
    ],
  },
  {
    id: 'E2',
    failure:
      'Numbers of transactions are given before they wait for each other: sorted by them, a key is out of order.',
    musts: [
      {
        must: 'Entries of a key go in the order of their ids, within a partition that one relay has.',
        tests: [
          store('readOrder: entries of one key come in the order of inserting, whatever comes between'),
          store('readOrder: within a partition ids rise in the order of reading'),
          relay('publishes what is committed, in the order of each key, and removes it'),
          faultRun,
        ],
      },
      {
        must: 'Where transactions of a key do not wait for each other, they can be made to.',
        tests: [lockKeys('lets transactions of one key store one after the other, in the order in which they commit')],
      },
    ],
  },
  {
    id: 'E3',
    failure: 'Two relays that share the rows overtake each other within a key.',
    musts: [
      {
        must: 'A key belongs to a partition, and a partition to one relay at a time.',
        tests: [
          store('readOrder: an entry stands in the partition of its key that every writer computes'),
          store('shares: partitions are shared by one, two and three relays, and by two again when one leaves'),
          leases('go back only when nothing of the partition is under way'),
          faultRun,
          betrayed,
        ],
      },
    ],
  },
  {
    id: 'E4',
    failure: 'SKIP LOCKED outside a transaction locks nothing: everything is published twice.',
    musts: [
      {
        must: 'Partitions are taken by a lease and its fence, in one statement.',
        tests: [
          store('leases: renewing takes nothing from a relay that lives'),
          store('fences: reading without the lease gives nothing'),
        ],
      },
      {
        must: 'Without faults nothing is published twice, though relays come and go.',
        tests: [
          leases('are shared by relays that come and go, without anything published twice'),
          simulation('publishes nothing twice when nothing fails, though relays come and go'),
        ],
      },
    ],
  },
  {
    id: 'E5',
    failure: 'A relay that dies between the confirm and the delete publishes again.',
    musts: [
      {
        must: 'It is published again with the same id, and its effect still happens once.',
        tests: [
          leases(
            'of a relay that dies are taken over when they have run out, and what it had under way is published again',
          ),
          again('because its publisher repeated it under its id is the same message, though its time is another'),
          faultRun,
        ],
      },
    ],
  },
  {
    id: 'E6',
    failure: 'What is deleted before it is confirmed is lost.',
    musts: [
      {
        must: 'An entry is deleted only after its own confirm.',
        tests: [
          relay('removes exactly what was confirmed'),
          simulation('loses nothing, invents nothing, keeps each key in order and parks only what is to blame'),
          faultRun,
          betrayed,
        ],
      },
    ],
  },
  {
    id: 'E7',
    failure: 'Whoever listens for notifications hears nothing on a connection that is gone.',
    musts: [
      {
        must: 'Notifications are hints: without any, polling finds what is there.',
        tests: [
          hints('that are lost cost one poll, and the listener comes back with a look at once'),
          hints('are done without where the store hears nothing, or nobody wants them'),
        ],
      },
      {
        must: 'A lost listening connection is noticed, also one that was cut off silently, and made anew.',
        tests: [
          listener('hears of a commit, not of what is rolled back, and is told once when its connection is killed'),
          listener('that a firewall has cut off silently is noticed by the question that gets no answer'),
        ],
      },
    ],
  },
  {
    id: 'E8',
    failure: 'Notifications take a lock of the whole database while committing, and can carry little.',
    musts: [
      {
        must: 'They can be switched off.',
        tests: [polling('transactions: committed entries are read, and again until they are removed')],
      },
      {
        must: 'They say nothing but that there is something.',
        tests: [store('listening: a commit is heard by every listener, until it closes')],
      },
    ],
  },
  {
    id: 'E9',
    failure: 'Beside a long transaction dead rows pile up, and reading becomes slow.',
    musts: [
      {
        must: 'Rows of the outbox are inserted and deleted, never updated, and read along their index.',
        tests: [
          plan('with a backlog and much in flight, a read follows the index of a partition and sorts none'),
          longSession('does not stop what is committed after it from being read and removed'),
        ],
      },
      {
        must: 'The oldest horizon and the dead rows of the database can be seen.',
        tests: [longSession('lets a relay skip nothing and delay nobody, and is told in its health')],
      },
    ],
  },
  {
    id: 'E10',
    failure: 'A relay that waits for the oldest transaction stands still for as long as that is open.',
    musts: [
      {
        must: 'An open transaction holds up nobody but itself.',
        tests: [
          store('lateCommits: an open transaction holds up nobody'),
          longSession('does not stop what is committed after it from being read and removed'),
          longSession('lets a relay skip nothing and delay nobody, and is told in its health'),
        ],
      },
    ],
  },
  {
    id: 'E11',
    failure: 'A clock that is off steals leases, or keeps them.',
    musts: [
      {
        must: 'Times of leases, of attempts and of what is due are the database’s.',
        tests: [
          store('leases: leases that ran out are taken over with higher fences'),
          store('attempts: a failing key does not come before its time'),
          store('schedule: an entry is not read before its time, and then after those that are there'),
          wrongClocks(
            'relays whose clocks are ten minutes off share the work: no lease is stolen or lost, nothing comes twice or early',
          ),
        ],
      },
    ],
  },
  {
    id: 'E12',
    failure: 'An entry that always fails blocks everything, or is overtaken by its own key.',
    musts: [
      {
        must: 'Its key waits, and is parked after so many attempts; all others flow.',
        tests: [
          ownFailures('park its key after so many attempts, while others flow, and are told'),
          ownFailures('are forgotten when an attempt succeeds, and the key goes on in order'),
          store('parking: what is committed to a parked key waits behind it'),
          relay('is not held up by a key that hangs with a long backlog, in its own partition neither'),
        ],
      },
      {
        must: 'An operator decides what becomes of it.',
        tests: [
          ownFailures('are decided by an operator: %s'),
          store('operatorDecisions: retry brings the whole key back at once, attempts counted from zero'),
          store('operatorDecisions: skip deletes the entry that failed, and the next of the key comes'),
          store('operatorDecisions: discard deletes every entry of the key, and no other'),
        ],
      },
      {
        must: 'A broker that is away is nobody’s failure.',
        tests: [outages('are never counted, however long they last, and the key keeps its order: %s')],
      },
      {
        must: 'Nobody receiving it is a failure of a command, and none of an event.',
        tests: [
          unrouted('is done when it is an event, and counted'),
          unrouted('parks when it is a command, told by %s'),
        ],
      },
    ],
  },
  {
    id: 'E13',
    failure: 'A relay that stood still for longer than its lease goes on beside its successor.',
    musts: [
      {
        must: 'It deletes nothing under a fence that is not the newest.',
        tests: [
          leases('that another relay took over while this one stood still are lost, and nothing is removed under them'),
          store(
            'fences: the fence of the new owner in the hands of the old one removes nothing, nor the other way round',
          ),
        ],
      },
      {
        must: 'It sends nothing after the end of its lease, and nothing of a lease of before is overtaken.',
        tests: [
          leases('that cannot be renewed end what is sent, before their end'),
          leases('that come back wait for the sends of before, so that nothing overtakes them'),
          faultRun,
        ],
      },
    ],
  },
]
