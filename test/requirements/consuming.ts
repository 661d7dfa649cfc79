import type { Requirement } from './requirement.js'
import { suites } from './suites.js'

const {
  planWarnings,
  mismatch,
  deadLetters,
  retries,
  deletedQueue,
  reconnects,
  rolling,
  smallHeap,
  blockedLoop,
  ladder,
  timeouts,
  faultRun,
  eventLoop,
  watchdog,
  caution,
  crashLoop,
  acks,
  brokenDeadLetters,
  brokerKill,
  consuming,
  copies,
  crashes,
  declaring,
  failedMessages,
  faults,
  lostDeliveries,
  intake,
  operating,
  orderUnderCuts,
  plan,
  planInvariants,
  promises,
  restarts,
  settlement,
  setUp,
  thenables,
} = suites

/** Group B: consuming and queues. */
export const consumingRequirements: readonly Requirement[] = [
  {
    id: 'B1',
    failure: 'A late or second ack costs the channel, and everything on it is delivered again.',
    musts: [
      {
        must: 'A delivery belongs to its channel, is settled once, and a stale settlement is dropped and counted.',
        tests: [
          deletedQueue('while its deliveries are being handled costs nobody the rest, and the late answers do nothing'),
          faults('delivers again what a lost connection left unsettled, and settling the old delivery does nothing'),
          consuming('forgets what is completed and delivers again what is released'),
          promises(
            'settling: settling twice, and settling after the transport is closed, does nothing and never throws',
          ),
        ],
      },
      {
        must: 'What a lost channel took along leaves the process: it is neither begun nor put aside, and its handlers are told.',
        tests: [
          lostDeliveries(
            'leaves the process, however often and however slow handlers are%s: nothing is handled or put aside for it',
          ),
          lostDeliveries('is not what a stop waits for: its handlers end unaborted, and their messages are done'),
          promises(
            'redelivery: a delivery that is unsettled when its transport is closed is told that it is lost, and not before',
          ),
        ],
      },
      {
        must: 'Grouped acks keep the protocol’s rules.',
        tests: [acks('keep the protocol’s rule in every order of settling')],
      },
    ],
  },
  {
    id: 'B2',
    failure: 'An ack returned, and the message comes again all the same.',
    musts: [
      {
        must: 'Losses and duplicates are counted by effects, not by acks.',
        tests: [
          blockedLoop('loses nothing: its late answer does nothing, is counted, and the message comes again'),
          brokerKill('%s: kill -9 in the middle of 20,000 messages loses none that was confirmed'),
        ],
      },
    ],
  },
  {
    id: 'B3',
    failure: 'Settling after a close throws into the user’s code.',
    musts: [
      {
        must: 'Settling never throws.',
        tests: [
          promises(
            'settling: settling twice, and settling after the transport is closed, does nothing and never throws',
          ),
          consuming('counts deliveries that ended without an answer, and gives them to the next consumer'),
        ],
      },
    ],
  },
  {
    id: 'B4',
    failure: 'A handler that blocks the event loop misses heartbeats, and its message comes again.',
    musts: [
      {
        must: 'A blocked event loop is noticed, and told before the broker gives up on us.',
        tests: [
          eventLoop('tells of a block, how long it was, and remembers it for a while'),
          eventLoop('tells once of each'),
        ],
      },
      {
        must: 'What comes again is settled against its own channel only.',
        tests: [
          blockedLoop('loses nothing: its late answer does nothing, is counted, and the message comes again'),
          faults('delivers again what a lost connection left unsettled, and settling the old delivery does nothing'),
        ],
      },
    ],
  },
  {
    id: 'B5',
    failure: 'An exception in the consumer’s callback closes the channel or leaves the consumer dead.',
    musts: [
      {
        must: 'No exception of a handler reaches the client, thrown at once or later.',
        tests: [
          thenables('treats a synchronous throw exactly as a rejected promise'),
          promises('thrownValues: whatever a handler throws, at once or later, is described in the dead letter'),
        ],
      },
      {
        must: 'Whatever other clients write is read without an exception.',
        tests: [
          consuming('reads messages of any client: foreign headers, no id, no content type, a poisoned prototype'),
        ],
      },
    ],
  },
  {
    id: 'B6',
    failure: 'The broker cancels a consumer, and it is silently gone.',
    musts: [
      {
        must: 'A cancelled consumer declares and subscribes again, with backoff.',
        tests: [
          deletedQueue('again and again is declared again each time, with growing waits'),
          consuming('subscribes again when its queue is deleted'),
        ],
      },
    ],
  },
  {
    id: 'B7',
    failure: 'The broker takes deliveries away that are held too long.',
    musts: [
      {
        must: 'Both shapes of the broker’s answer, a closed channel and a cancelled consumer, are explained and survived.',
        tests: [timeouts('on RabbitMQ $version (the $which one) comes again, is explained, and harms nobody else')],
      },
      {
        must: 'What would hold a delivery for longer than the broker allows is refused when it is declared.',
        tests: [
          setUp('are handlers that may take longer than the transport lets a delivery be unsettled'),
          setUp('are held keys for longer than the transport lets a delivery be unsettled'),
        ],
      },
    ],
  },
  {
    id: 'B8',
    failure: 'A quorum queue drops a message at its delivery limit.',
    musts: [
      {
        must: 'There is a dead-letter queue behind every work queue, and one constant limit.',
        tests: [
          planInvariants(
            'has one limit of deliveries for work queues, whatever their ladder, and a dead-letter queue behind it',
          ),
          plan('of a group is exactly what the design says, dead-letter targets first'),
        ],
      },
      {
        must: 'What exceeds the limit lands among the dead letters, and their reader says so in our words.',
        tests: [
          failedMessages(
            'that others reject beyond the delivery limit end among the dead letters, and their reader says why',
          ),
          brokenDeadLetters('as reason and origin'),
        ],
      },
    ],
  },
  {
    id: 'B9',
    failure: 'What counts towards the broker’s limit differs from version to version.',
    musts: [
      {
        must: 'Attempts are counted by us.',
        tests: [
          ladder('loses none, lets none come early, and counts every attempt once'),
          failedMessages(
            'are counted by us, whatever the broker counts: as many attempts as the ladder has, on every version',
          ),
        ],
      },
    ],
  },
  {
    id: 'B10',
    failure: 'A message that kills its process takes its neighbours along into the dead letters.',
    musts: [
      {
        must: 'After a crash, messages come one at a time until the culprit is known; bystanders stay.',
        tests: [
          crashLoop('is dead-lettered alone, although the process held fifty'),
          crashLoop('is told from two others, and from bystanders, whatever comes first'),
          crashLoop('is dead-lettered alone in an ordered group'),
          caution('begins with one message, and opens up after one that crashed nobody'),
        ],
      },
      {
        must: 'Crash loops end with a dead letter, and what was given back at a stop is no crash.',
        tests: [
          promises(
            'crashCounting: a message whose deliveries ended in more crashes than allowed is dead-lettered without another attempt',
          ),
          promises('crashCounting: a message that several services gave back while they stopped is no crash loop'),
          intake('is put aside as a crash loop above maxCrashes, where the transport counts'),
        ],
      },
    ],
  },
  {
    id: 'B11',
    failure: 'Dead-lettering by the broker loses messages.',
    musts: [
      {
        must: 'We dead-letter by a confirmed publish, and end the original after that.',
        tests: [
          settlement('completes the original only after the broker confirmed the dead letter'),
          promises(
            'settlesLast: the original is completed only after its retry, or its dead letter, is confirmed; copies keep id and key',
          ),
        ],
      },
      {
        must: 'The broker’s own dead-lettering is confirmed, into a queue that exists.',
        tests: [
          planInvariants(
            'leads every message that leaves a queue by itself into one that was planned before, confirmed by the broker',
          ),
          operating('loses none of a hundred messages that others reject while the dead-letter queue is missing'),
          declaring('refuses a rung whose %s is %s: it could drop what was confirmed'),
        ],
      },
      {
        must: 'While the dead-letter queue is away, the original stays.',
        tests: [
          deadLetters('whose queue was deleted come into the one that we declare again'),
          failedMessages('are not asked for again and again: one delivery for each attempt, and nothing is given back'),
        ],
      },
    ],
  },
  {
    id: 'B12',
    failure: 'To republish and to ack are two steps, and a crash may come between them.',
    musts: [
      {
        must: 'Publish, confirm, ack, in that order and with the same id: a crash leaves both, and loses none.',
        tests: [
          faultRun('traffic on RabbitMQ survives faults of most kinds, and every invariant holds'),
          crashes(
            'between the confirmation of a retry and the end of its original leaves both, with one id, and loses nothing',
          ),
          crashes('between the confirmation of a dead letter and the end of its original leaves both, with one id'),
          settlement('completes the original only after the broker confirmed the retry copy'),
        ],
      },
    ],
  },
  {
    id: 'B13',
    failure: 'A dead letter that cannot be stored is lost, or loops.',
    musts: [
      {
        must: 'The original stays, the copy is sent again with growing waits, and it shows.',
        tests: [
          deadLetters('whose queue is full leave their originals where they are, and go when there is room'),
          faultRun('${what} turns the run red'),
          settlement(
            'keeps the original and repeats a dead letter that the broker refuses, with growing waits, until it is stored',
          ),
          settlement('does not spin while the dead-letter queue refuses: at most a dozen sends in the first second'),
          settlement('releases the original when the consumer stops while a dead letter is refused'),
        ],
      },
    ],
  },
  {
    id: 'B14',
    failure: 'A message with a short time to live waits behind one with a long one.',
    musts: [
      {
        must: 'Each delay has a queue of its own.',
        tests: [
          retries('with a short wait pass those with a long one, and none comes early'),
          failedMessages('of a short rung do not wait behind those of a long one'),
          consuming('brings a message back from a rung after its delay, with headers and body intact'),
        ],
      },
    ],
  },
  {
    id: 'B15',
    failure: 'The broker’s own record of deaths is counted differently from version to version.',
    musts: [
      {
        must: 'Attempts stand in a header of ours, and copies leave the broker’s behind.',
        tests: [
          failedMessages(
            'are counted by us, whatever the broker counts: as many attempts as the ladder has, on every version',
          ),
          failedMessages('take no count of the broker along: a copy enters its rung as if it had never been in one'),
          copies('keeps foreign headers, and leaves those of brokers behind: ${what}'),
        ],
      },
    ],
  },
  {
    id: 'B16',
    failure: 'The broker drops a message that goes in a circle without being rejected.',
    musts: [
      {
        must: 'Work queues have no time to live; only rungs do.',
        tests: [
          planInvariants(
            'gives a time to live to rungs alone, so that no message goes in a circle that the broker would break',
          ),
          failedMessages('stay on the work queue while nobody consumes, however long: only rungs have a time to live'),
        ],
      },
    ],
  },
  {
    id: 'B17',
    failure: 'The plugin for delayed messages keeps them on one node, and may lose them.',
    musts: [
      {
        must: 'No plugin is needed.',
        tests: [
          planInvariants('needs no plugin: what is not a queue or a binding is a plain exchange'),
          operating('is durable, of kinds that every version has, and without anything that newer ones refuse'),
        ],
      },
    ],
  },
  {
    id: 'B18',
    failure: 'Without a prefetch, or with one set too late, a backlog fills the memory.',
    musts: [
      {
        must: 'Unsettled deliveries are bounded by count and bytes, from the first one on.',
        tests: [
          smallHeap('survives a large backlog of small messages and one of large ones'),
          consuming('never holds more than maxInFlight unsettled, and goes on past a slow one'),
          consuming('pauses above maxInFlightBytes, and resumes when something is settled'),
          operating('is durable, of kinds that every version has, and without anything that newer ones refuse'),
        ],
      },
    ],
  },
  {
    id: 'B19',
    failure: 'With automatic acks a crash loses what was being handled.',
    musts: [
      {
        must: 'Acks are manual, always.',
        tests: [
          faultRun('${what} turns the run red'),
          crashes('in the middle of its handler leaves the message for the next one'),
          operating('is durable, of kinds that every version has, and without anything that newer ones refuse'),
        ],
      },
    ],
  },
  {
    id: 'B20',
    failure: 'A message of an unknown type is never settled, and the consumer stands still.',
    musts: [
      {
        must: 'It is completed and counted, or dead-lettered with a reason; the next one is handled.',
        tests: [
          failedMessages(
            'do not come of a type that nobody handles: with "%s" and one message at a time, the next one is handled',
          ),
          promises(
            'skippedTypes: a type that the group does not handle is skipped and counted, whoever else handles it',
          ),
        ],
      },
    ],
  },
  {
    id: 'B21',
    failure: 'A failing message is given back at once, and comes at once, for ever.',
    musts: [
      {
        must: 'A failure is never answered by giving the message back.',
        tests: [
          failedMessages('are not asked for again and again: one delivery for each attempt, and nothing is given back'),
          settlement('does not spin while the dead-letter queue refuses: at most a dozen sends in the first second'),
        ],
      },
    ],
  },
  {
    id: 'B22',
    failure: 'After a reconnect the connection is there, and the consumer is not.',
    musts: [
      {
        must: 'A consumer that gets nothing although there is something to get is made again.',
        tests: [
          watchdog('is made again when the broker has lost it without a word'),
          watchdog('is made again when its deliveries are lost on their way'),
          watchdog('is left alone when there is nothing to get'),
        ],
      },
      {
        must: 'Channel, prefetch and consumer come back together or not at all.',
        tests: [
          reconnects('of a broker that restarts get their consumers back each time'),
          reconnects('leave nothing behind after 200 times, and lose nothing'),
          faults('that closes every connection makes written publishes unknown, and both sides come back'),
          faults('that comes back empty gets its exchanges, queues and consumers again'),
        ],
      },
    ],
  },
  {
    id: 'B23',
    failure: 'Order gets lost by prefetch, competing consumers, requeues and retries.',
    musts: [
      {
        must: 'With order, one process at a time handles a key, in order, through retries and stops.',
        tests: [
          faultRun('traffic on RabbitMQ survives faults of most kinds, and every invariant holds'),
          faultRun('${what} turns the run red'),
          consuming('when ordered gives all messages to one of two processes, in order'),
          orderUnderCuts('handles the messages of each key in order for the first time, and every one of them'),
          consuming('an ordered consumer that stops gives back in order, before the next process gets later messages'),
          promises('orderByKey: the messages of a key are handled in order, also when one of them is retried'),
          promises(
            'orderAcrossServices: order holds over two services of a group when one of them stops in the middle',
          ),
        ],
      },
      {
        must: 'An order that cannot hold is refused.',
        tests: [promises('declarations: impossible declarations are refused with every problem, without a connection')],
      },
    ],
  },
  {
    id: 'B24',
    failure: 'A broker that crashed delivers again what was acked shortly before.',
    musts: [
      {
        must: 'A flood of duplicates is handled: nothing is lost in it, and ids are the same.',
        tests: [
          rolling('handles everything once over ten rolling restarts'),
          faultRun('traffic on RabbitMQ survives faults of most kinds, and every invariant holds'),
          brokerKill('%s: kill -9 in the middle of 20,000 messages loses none that was confirmed'),
          restarts('still has every confirmed message, in quorum queues and in durable classic ones'),
        ],
      },
    ],
  },
  {
    id: 'B25',
    failure: 'A limit of length drops messages that were confirmed.',
    musts: [
      {
        must: 'Our queues refuse instead of dropping, also where an operator limits their length.',
        tests: [
          planInvariants('has quorum queues alone, none of which drops what it confirmed'),
          operating(
            'keeps what was confirmed when a policy limits our queues: what does not fit is refused, never dropped',
          ),
        ],
      },
      {
        must: 'A queue that would drop is refused; where a policy makes it drop, that lands among the dead letters.',
        tests: [
          mismatch('says expected against actual of every argument'),
          planWarnings('warns of what arguments of an own queue give up'),
          declaring('refuses a rung whose %s is %s: it could drop what was confirmed'),
          operating(
            'with a policy that says drop-head, which wins over ours, still finds what it dropped among the dead letters',
          ),
        ],
      },
    ],
  },
  {
    id: 'B26',
    failure: 'Dead letters that the broker could not hand over pile up, or are purged with their queue.',
    musts: [
      {
        must: 'What waits for the broker’s dead-lettering stays until its target is back, and can be watched.',
        tests: [
          operating(
            'shows what waits for the target of a rung as the docs say, and hands it over when the target is back',
          ),
          planInvariants(
            'leads every message that leaves a queue by itself into one that was planned before, confirmed by the broker',
          ),
        ],
      },
    ],
  },
]
