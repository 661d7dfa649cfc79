import { kafkaSuites } from './kafkaSuites.js'
import type { Requirement } from './requirement.js'

const {
  added,
  afterCrash,
  commit,
  consumerDies,
  crashLoop,
  crashes,
  deleted,
  driver,
  driverFaults,
  foreignClients,
  handler,
  longDrain,
  heldPartition,
  kcat,
  lost,
  lowWaterMark,
  members,
  newGroup,
  promises,
  queue,
  rebalance,
  rung,
  sending,
  settling,
  refusedDeadLetter,
  killed,
  heldKey,
  startsHealth,
  startsLost,
  startsNew,
  stopping,
  stuckConsumer,
  subscription,
  suspended,
  thenables,
  transactions,
  thrown,
  platformatic,
  cluster,
  compressedByOthers,
  draining,
  faultRun,
  generationEnd,
  madeAnew,
} = kafkaSuites
const driverEnd = driver('the end')
const driverFetching = driver('fetching')
const driverGroup = driver('a group')

/** Group D: consuming from Kafka. */
export const kafkaConsumingRequirements: readonly Requirement[] = [
  {
    id: 'D1',
    failure: 'A handler that is slower than the session costs its partition, and its work is done twice.',
    musts: [
      {
        must: 'Heartbeats go on whatever handlers do.',
        tests: [
          members('lose nothing of what is published meanwhile, and keep what they are working on'),
          handler('that takes longer than the session timeout keeps its partition, and its message to itself'),
          consumerDies('is not taken for lost by the late answer to a heartbeat of the generation before'),
        ],
      },
      {
        must: 'A handler has a deadline, which fires its signal.',
        tests: [
          promises(
            'handlerTimeout: a handler that takes too long has its signal fired, and its failure is a HandlerTimeoutError',
          ),
        ],
      },
    ],
  },
  {
    id: 'D2',
    failure: 'One rebalance is followed by the next, since the work goes on as if nothing were.',
    musts: [
      {
        must: 'From the first sign of a rebalance nothing is handed over until it is known what stays.',
        tests: [
          rebalance('stops handing over until it is known what stays'),
          driverGroup('shares the partitions, tells a rebalance before it, and gives them to who is left'),
        ],
      },
      {
        must: 'What is lost is aborted; what is kept goes on, and is not handled twice.',
        tests: [
          rebalance('tells the deliveries of what is lost, and those alone'),
          rebalance('keeps what is in flight of a partition that stays, and fetches on behind it'),
          lost('fires the signal of its handler, and of no other'),
          members('lose nothing of what is published meanwhile, and keep what they are working on'),
        ],
      },
    ],
  },
  {
    id: 'D3',
    failure: 'A commit comes after the partition has gone to somebody else.',
    musts: [
      {
        must: 'Work belongs to its assignment; what comes late commits nothing.',
        tests: [
          suspended('commits nothing of what is not its own any more'),
          madeAnew(
            'a topic that was made anew is read from its beginning, and the offset in the old one is not committed for it',
          ),
          rebalance('makes the deliveries of a lost partition stale: they commit nothing'),
          rebalance('stops committing until it is known what stays'),
          queue('that was lost counts what is settled, and does nothing else with it'),
          driverGroup('takes a commit of this generation only'),
        ],
      },
    ],
  },
  {
    id: 'D4',
    failure: 'A TypeError of a handler ends the consumer for ever.',
    musts: [
      {
        must: 'No error of a handler reaches the client, whatever was thrown.',
        tests: [
          thrown('a bug in a handler ends a plain kafkajs consumer for good'),
          thrown('a bug in a handler costs us its message alone, which is retried and then put aside'),
          promises('thrownValues: whatever a handler throws, at once or later, is described in the dead letter'),
          thenables('treats a synchronous throw exactly as a rejected promise'),
        ],
      },
      {
        must: 'A consumer that crashed is made again.',
        tests: [
          consumerDies('is replaced, and what is in flight stays in flight'),
          consumerDies('tells nothing any more'),
        ],
      },
    ],
  },
  {
    id: 'D5',
    failure: 'A poisonous message blocks its partition for ever.',
    musts: [
      {
        must: 'Attempts end: the message becomes a dead letter, confirmed, and only then the offset passes.',
        tests: [
          refusedDeadLetter('%s stays the original, and neighbours flow on'),
          killed('between a dead letter and the commit loses nothing, and repeats the dead letter'),
          promises(
            'retryLadder: a handler that throws gets every attempt of the ladder, then the message is dead-lettered',
          ),
          promises(
            'settlesLast: the original is completed only after its retry, or its dead letter, is confirmed; copies keep id and key',
          ),
          promises(
            'invalidArrivals: what cannot be read or breaks a schema is dead-lettered with its bytes and reason between good neighbours',
          ),
        ],
      },
      {
        must: 'One that kills its process ends there too.',
        tests: [
          crashes('messages that abort their process are dead-lettered alone, in every partition, and nothing else is'),
          crashLoop('says how often, alone, and its neighbours say nothing'),
          promises(
            'crashCounting: a message whose deliveries ended in more crashes than allowed is dead-lettered without another attempt',
          ),
          afterCrash('messages go one at a time, over all partitions, each on record before it is handed over'),
          afterCrash('and ten seconds without another one, the usual way goes on beside a handler that takes long'),
        ],
      },
    ],
  },
  {
    id: 'D6',
    failure: 'A handler that never resolves holds up the stop for ever.',
    musts: [
      {
        must: 'A stop settles at its deadline, and the message is delivered elsewhere.',
        tests: [
          promises(
            'hangingHandlers: stop settles at its deadline although a handler hangs; its message is delivered to the next service',
          ),
          stopping('leaves at close, whatever is unsettled, and no timer goes on'),
          stopping('ends by its deadline also when the last commit is never answered'),
        ],
      },
    ],
  },
  {
    id: 'D7',
    failure: 'A consumer that was disconnected while it started goes on consuming.',
    musts: [
      {
        must: 'Starting and stopping take turns, and nothing comes after a stop.',
        tests: [
          driverEnd('of a consumer while it joins rejects its start'),
          driverEnd('of a consumer comes while it fetches and while a batch is being taken, and it is silent then'),
          stuckConsumer('that is closed while it starts leaves no member behind, and delivers nothing more'),
          stopping('hands nothing over any more, and leaves when everything is settled'),
          promises(
            'settling: after a subscription is stopped nothing more is handed over, and what was can still be completed',
          ),
        ],
      },
    ],
  },
  {
    id: 'D8',
    failure: 'A consumer stands still, without an error.',
    musts: [
      {
        must: 'One that has a backlog and fetches nothing, or says nothing at all, is replaced.',
        tests: [
          stuckConsumer('that fetches nothing although there is something is replaced by the watchdog'),
          consumerDies('or stands still before a backlog is replaced, once for the same place'),
          consumerDies('without a word is replaced too'),
        ],
      },
      {
        must: 'Health says why nothing is consumed.',
        tests: [consumerDies('is replaced, and what is in flight stays in flight')],
      },
    ],
  },
  {
    id: 'D9',
    failure: 'An offset that was deleted is reset in silence: everything is skipped, or read again.',
    musts: [
      {
        must: 'Where the group stands is compared with the ends of the log, at the start and at each rebalance, and what was lost is said.',
        tests: [
          deleted('are counted, and the rest is read'),
          startsLost('goes on with the first message that does, and counts it'),
          driverFetching('says when the offset does not exist any more, and goes on at the first one that does'),
          driverFetching('says so too when the offset does not exist yet'),
        ],
      },
      {
        must: 'A group can be told to stop rather than to skip.',
        tests: [
          deleted('keep a group from starting where somebody has to decide'),
          startsLost('does not start where somebody has to decide, and keeps what it knows'),
          startsLost('leaves that partition alone and says why when it happens while running, or goes on at the end'),
        ],
      },
    ],
  },
  {
    id: 'D10',
    failure: 'What is published to new partitions before they are noticed is skipped.',
    musts: [
      {
        must: 'A group begins with the first message, and commits where it begins before anything is handed over.',
        tests: [
          subscription('commits where it begins before anything is handed over'),
          startsNew('begins with the first message, and says so before it hands anything over'),
          startsNew('reads partitions that are new from their first message, also where it began at the end'),
          added('are read from their first message'),
        ],
      },
    ],
  },
  {
    id: 'D11',
    failure: 'Offsets of a group that is idle expire.',
    musts: [
      {
        must: 'A group whose offsets have expired is told apart from a new one, or begins with the first message.',
        tests: [
          newGroup('reads everything again when its offsets have expired, and says that it did'),
          subscription('commits where it begins before anything is handed over'),
        ],
      },
    ],
  },
  {
    id: 'D12',
    failure: 'A commit of the highest offset that is done skips those below it that are not.',
    musts: [
      {
        must: 'Only what is done without a gap is committed.',
        tests: [
          heldKey('holds up nobody else of its partition, and no offset passes it'),
          lowWaterMark('never passes what is not done, and always what is (seed %i)'),
          commit('waits for the oldest, and passes offsets that hold no message'),
          faultRun('traffic on Kafka survives faults of several kinds, and every invariant holds'),
          faultRun('${what} turns the run red'),
          handler('of one key does not hold up ninety-nine others of its partition, and what is committed has no gap'),
          settling('commits up to the oldest unsettled message, however many after it are done'),
          settling('delivers to the next process what was not settled, and no more'),
        ],
      },
      {
        must: 'How far work goes beyond it is bounded.',
        tests: [subscription('does not go further beyond the oldest unsettled message than allowed')],
      },
    ],
  },
  {
    id: 'D13',
    failure: 'What is in flight when a partition goes is thrown away, or held so long that the member is evicted.',
    musts: [
      {
        must: 'Partitions are fenced one by one: what is done is committed before, what is lost is aborted, what is kept goes on.',
        tests: [
          rebalance('commits what is done before it, and says that nobody died'),
          rebalance('tells the deliveries of what is lost, and those alone'),
          rebalance('keeps what is in flight of a partition that stays, and fetches on behind it'),
        ],
      },
      {
        must: 'Where the driver can delay the rejoin, it is drained first, within a budget.',
        tests: [
          draining('moves no partition before what is in flight is done, so that nobody handles it twice'),
          longDrain('is not replaced meanwhile, nor while it waits for the others after that'),
          generationEnd('waits for what is in flight, commits it and lets go'),
          generationEnd('does not wait longer than it may, and commits what is done by then'),
        ],
      },
    ],
  },
  {
    id: 'D14',
    failure: 'A whole batch counts as done when its handler returns early.',
    musts: [
      {
        must: 'Handing over and committing are two things: a batch is resolved when it is handed over, and committed as it is settled.',
        tests: [
          driverFetching('waits for whoever takes a batch before it brings the next of this partition'),
          driverEnd('of a consumer comes while it fetches and while a batch is being taken, and it is silent then'),
          settling('delivers to the next process what was not settled, and no more'),
        ],
      },
    ],
  },
  {
    id: 'D15',
    failure: 'Offsets have gaps, and who waits for the next number waits for ever.',
    musts: [
      {
        must: 'Gaps are passed: compaction, control records, aborted transactions.',
        tests: [
          lowWaterMark('passes gaps, also behind the last offset'),
          commit('waits for the oldest, and passes offsets that hold no message'),
          driverFetching('brings what transactions have committed, and nothing of what they gave up'),
          kcat('what a transaction commits is handled, and what one that was killed wrote is not'),
        ],
      },
    ],
  },
  {
    id: 'D16',
    failure: 'What was paused is forgotten at a rebalance, and a batch that was fetched comes all the same.',
    musts: [
      {
        must: 'What is paused is ours to know, and said again with each assignment.',
        tests: [
          rebalance('keeps paused what was paused'),
          subscription('pauses a partition that is not handed over in time, and resumes it when there is room'),
          driverFetching('brings nothing of a partition that is paused, and all of it after that'),
        ],
      },
    ],
  },
  {
    id: 'D17',
    failure: 'One producer that switches its codec ends the consumer for good.',
    musts: [
      {
        must: 'Codecs are there, or the error says which is missing.',
        tests: [driverFetching('reads what others have compressed with gzip'), compressedByOthers('by %s are handled')],
        open: 'zstd is read from Node.js 22.15 on',
      },
    ],
  },
  {
    id: 'D18',
    failure: 'A tombstone breaks the reader.',
    musts: [
      {
        must: 'A null value is an event without data in binary mode, and else foreign.',
        tests: [
          sending('keeps an event without data a tombstone'),
          promises('noData: an event without data in binary mode has no body, and arrives without data'),
          promises(
            'foreignArrivals: foreign messages and tombstones are dead-lettered with their bytes and content type',
          ),
          foreignClients('write events that are handled: structured, binary, without data, with and without a key'),
          foreignClients(
            'find what they wrote among the dead letters: text, no value and an empty one are three things',
          ),
        ],
      },
    ],
  },
  {
    id: 'D19',
    failure: 'A consumer that is dead says nothing of its lag.',
    musts: [
      {
        must: 'Lag is asked of the cluster, whatever the consumer does.',
        tests: [startsHealth('tells how far each group is behind, also of what is not read here')],
      },
    ],
  },
  {
    id: 'D20',
    failure: 'A transaction that hangs holds back everything behind it, without an error.',
    musts: [
      {
        must: 'Health shows what is held back: the end of what may be read, and the end of the log.',
        tests: [transactions('that hangs are said to hold back what is behind them, and come when it ends')],
      },
    ],
  },
  {
    id: 'D21',
    failure: 'A leader that moves makes the whole group join again.',
    musts: [
      {
        must: 'A rejoin costs no message and no work that is under way.',
        tests: [
          cluster('leaders that move cost no message, and no work that is under way is done twice'),
          rebalance('keeps what is in flight of a partition that stays, and fetches on behind it'),
        ],
      },
    ],
  },
  {
    id: 'D22',
    failure: 'After an unclean election a consumer skips or repeats in silence.',
    musts: [
      {
        must: 'A log that ends before the group’s offset is told; what the client cannot see is in the docs.',
        tests: [
          startsLost('goes on with what comes next where that is wanted'),
          driverFetching('says so too when the offset does not exist yet'),
        ],
      },
    ],
  },
  {
    id: 'D23',
    failure: 'One slow partition holds up the others of its broker.',
    musts: [
      {
        must: 'What is fetched waits in a queue of its partition, which alone is paused.',
        tests: [
          heldPartition('whose oldest message is held does not hold up another'),
          subscription('pauses a partition that is not handed over in time, and resumes it when there is room'),
          subscription('does not hold up a fetch when what came is handed over at once'),
          rung('that is not due is paused at once, without holding up others'),
        ],
      },
    ],
  },
  {
    id: 'D24',
    failure: 'Every deployment stops the whole group.',
    musts: [
      {
        must: 'What a deployment interrupts is short, and costs no message; the docs say how to stagger it.',
        tests: [
          members('lose nothing of what is published meanwhile, and keep what they are working on'),
          promises(
            'orderAcrossServices: order holds when a second service of the group joins in the middle and the first one leaves',
          ),
        ],
      },
      {
        must: 'A client that can do better fits in: drivers share one port and one suite.',
        tests: [
          platformatic('shares a group with members on kafkajs, whoever leads it'),
          platformatic('keeps its generation until what is in flight is worked off, and still commits'),
          platformatic('a group > shares the partitions, tells a rebalance before it, and gives them to who is left'),
          platformatic('a group > takes a commit of this generation only'),
          platformatic('gives a static member what it had, without a rebalance of the others'),
        ],
      },
    ],
  },
  {
    id: 'D25',
    failure: 'A crash inside the client is a rejection that nobody handles, which ends the process.',
    musts: [
      {
        must: 'Nothing of a client that dies or is stopped is left unhandled.',
        tests: [
          driverEnd('of its topic is told once, as a failure or as a start that rejects'),
          driverFaults('a broker that dies > and comes back finds the driver at work again, without a new one'),
        ],
      },
    ],
  },
]
