import { outboxSuites } from './outboxSuites.js'
import type { Requirement } from './requirement.js'

const {
  store,
  storeOnPglite,
  stored,
  refused,
  relay,
  again,
  throws,
  tooOld,
  context,
  commit,
  followUps,
  directly,
  writer,
  executors,
  prisma,
  handlers,
  retention,
  table,
  lostCommit,
  killed,
  polling,
  midnight,
  outboxPages,
  behindPgBouncer,
  throughPgBouncer,
  pgBouncerListener,
  faultRun,
  betrayed,
} = outboxSuites

/** The second part of group E: what is committed together, and the inbox. */
export const transactionRequirements: readonly Requirement[] = [
  {
    id: 'E14',
    failure: 'A message that is stored past the transaction is there without the change, or the change without it.',
    musts: [
      {
        must: 'What is rolled back is never published.',
        tests: [
          stored('is published if the transaction commits, and is gone with one that is rolled back'),
          relay('publishes nothing of a transaction that is open or rolled back'),
          executors('what its transactions commit is there with every byte, and what they roll back is not'),
          prisma('stores what they commit, with every byte, and nothing of what they roll back'),
          faultRun,
          betrayed,
        ],
      },
      {
        must: 'A handle that is in no transaction is refused.',
        tests: [
          refused('a handle in no transaction: none, a store, one that has ended'),
          writer(
            'a pool, a client outside a transaction and one whose transaction has ended are refused, before anything is written',
          ),
          writer('a client whose COMMIT failed a moment ago is refused, though pg has not learnt of it yet'),
          executors('its database is refused, and a transaction that has ended, before anything is written'),
          prisma('refuses the client itself, a transaction that has ended, and what is neither'),
        ],
      },
    ],
  },
  {
    id: 'E15',
    failure: 'A message that was published directly is out when the transaction is rolled back.',
    musts: [
      {
        must: 'What dual writes are, and what to do instead, is documented; handlers publish with their transaction.',
        tests: [
          followUps('stores nothing in an attempt that fails, and the same ids in the next'),
          directly('sends at once, as without an inbox, also when the transaction is rolled back'),
        ],
      },
    ],
  },
  {
    id: 'E16',
    failure: 'Of a batch some are confirmed and some are not.',
    musts: [
      {
        must: 'Exactly the confirmed entries of a batch are deleted.',
        tests: [
          relay('removes exactly what was confirmed'),
          relay('repeats a removal that fails, and does not publish those entries again'),
          store('readOrder: exactly the removed entries are gone'),
          faultRun,
        ],
      },
    ],
  },
  {
    id: 'E17',
    failure: 'A COMMIT without an answer was done or not; repeating it writes twice.',
    musts: [
      {
        must: 'The caller can give the id, and be told that it waits already.',
        tests: [
          stored('keeps the time before which it must not leave, and the id that a caller repeats'),
          writer('an id that waits already is told as a duplicate where the index is'),
        ],
      },
      {
        must: 'What became of a transaction can be asked; after a crash nobody is told of another that has its number.',
        tests: [
          lostCommit('%s: rejects, and its number tells what became of it'),
          killed('gives numbers of transactions again, and does not tell of one what became of the other'),
        ],
      },
      {
        must: 'A handler whose COMMIT got no answer is called again exactly where nothing was committed.',
        tests: [
          commit('is tried again, and is a duplicate where it had committed'),
          commit('is tried again, and handled where it had not'),
          faultRun,
        ],
      },
    ],
  },
  {
    id: 'E18',
    failure: 'Two messages that share an id are taken for one.',
    musts: [
      {
        must: 'Consumer, source and id make a message together.',
        tests: [
          store('inbox: consumer, source and id make a message together'),
          again('to another group is another message'),
        ],
      },
      {
        must: 'Empty ids are refused.',
        tests: [
          store('refusedHandles: an empty message id is refused, and its transaction goes on'),
          store('refusedHandles: an empty consumer, source or id is refused by the inbox, and its transaction goes on'),
          context('is not made for a message whose %s is empty'),
        ],
      },
    ],
  },
  {
    id: 'E19',
    failure: 'Two deliveries at once both find that the message is new.',
    musts: [
      {
        must: 'A message is remembered first, and of many at once one is told that it is new.',
        tests: [
          again('to eight consumers at once is handled once'),
          store(
            'inboxRaces: of eight transactions at once, each with another time, one is told that the message is new',
          ),
          store('inboxRaces: a second transaction waits for the first, and is told what became of it'),
          handlers('the same message to eight consumers at once has its effect once'),
        ],
      },
      {
        must: 'So it is around midnight, when two transactions write into two days.',
        tests: [
          midnight('a message of a transaction of yesterday, with that day $state, waits for it: $end'),
          midnight('a snapshot from before yesterday ended does not make a message new twice'),
          midnight('once all transactions of yesterday have ended, a message is written once'),
          midnight('of eight copies, half of which read the clock of yesterday, one is new'),
        ],
      },
    ],
  },
  {
    id: 'E20',
    failure:
      'An inbox is taken for more than it is: the handler may run again, and what leaves the database is not covered.',
    musts: [
      {
        must: 'It is documented that the effect in the database happens once, and the call of the handler may not.',
        tests: [throws('leaves nothing behind, is not remembered, and its retry has the effect once')],
      },
    ],
  },
  {
    id: 'E21',
    failure: 'A message that comes later than the inbox remembers has its effect again.',
    musts: [
      {
        must: 'A retention shorter than what can come again is refused.',
        tests: [retention('a retention shorter than the horizon of replays is refused')],
      },
      {
        must: 'Older messages are dead-lettered unless that is allowed.',
        tests: [
          tooOld('is dead-lettered with a code at once, and not handled'),
          tooOld('is handled where that is allowed'),
          store('inbox: a message that is older than the retention is expired, whether it came before or not'),
        ],
      },
      {
        must: 'What is old goes as whole tables.',
        tests: [retention('days that are older than the retention go as whole tables, and their messages are expired')],
      },
    ],
  },
  {
    id: 'E22',
    failure: 'A message that is remembered, and whose effect was rolled back, is lost.',
    musts: [
      {
        must: 'Remembering and the effect are one transaction.',
        tests: [
          store('inbox: what is rolled back is forgotten, together with the effect'),
          storeOnPglite('inbox: what is rolled back is forgotten, together with the effect'),
          handlers(
            'a handler that throws after everything is written leaves nothing, and its retry writes the same once',
          ),
          handlers(
            'a statement that failed and was swallowed rolls everything back: the message is not taken for handled',
          ),
          faultRun,
          betrayed,
        ],
      },
    ],
  },
  {
    id: 'E23',
    failure: 'Behind PgBouncer in transaction mode LISTEN, session locks and prepared statements do not work.',
    musts: [
      {
        must: 'Nothing but the listener needs a session, and that can be switched off.',
        tests: [
          polling('transactions: committed entries are read, and again until they are removed'),
          behindPgBouncer(
            'fences: the fence of the new owner in the hands of the old one removes nothing, nor the other way round',
          ),
          behindPgBouncer(
            'inboxRaces: of eight transactions at once, each with another time, one is told that the message is new',
          ),
        ],
      },
      {
        must: 'Where nothing can be heard, that is found out, told once, and polling does.',
        tests: [
          throughPgBouncer('carry what is committed, each effect once, by polling alone, which is told once'),
          behindPgBouncer('listening: a store that hears nothing says so'),
          pgBouncerListener('in session mode hears of commits'),
        ],
      },
    ],
  },
  {
    id: 'E24',
    failure: 'Eight-byte integers come from the driver as text, and 10 comes before 9.',
    musts: [
      {
        must: 'Ids are exact and in their order, however large they are.',
        tests: [store('exactMessages: ids beyond what a number holds are exact, in reading, excluding and removing')],
      },
    ],
  },
  {
    id: 'E25',
    failure:
      'A relay that reads the log of the database fills its disk when it is away, and loses its place in a failover.',
    musts: [
      {
        must: 'Our relay needs no slot; who uses Debezium instead finds the mapping of the columns.',
        tests: [table('has the columns that the how-to gives to Debezium, of types that its router takes')],
      },
      {
        must: 'The heartbeat and the alert that such a slot needs are documented, and work.',
        tests: [table('read by Debezium: the heartbeat and the question about slots that the how-to gives work')],
      },
    ],
  },
  {
    id: 'E26',
    failure: 'A failover to a replica that lags loses what was committed, though it may be published.',
    musts: [
      {
        must: 'It is documented that a failover that loses transactions loses them here too, and what decides that.',
        tests: [outboxPages('the pages that promise say that synchronous_commit decides what a failover loses')],
      },
    ],
  },
]
