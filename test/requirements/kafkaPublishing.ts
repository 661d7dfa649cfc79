import { kafkaSuites } from './kafkaSuites.js'
import type { Requirement } from './requirement.js'

const {
  aheadClock,
  autoCreation,
  batches,
  brokerDies,
  caller,
  closed,
  codec,
  codecMissing,
  compressed,
  driver,
  driverFaults,
  encoded,
  failing,
  foreignClients,
  kcat,
  keyless,
  leaderDies,
  limits,
  lostAnswer,
  message,
  movedLeader,
  murmur2,
  partition,
  partitionerKeyless,
  partitionerKeys,
  passingError,
  promises,
  publisherHeaders,
  quietQueue,
  recordTime,
  repeatedPublish,
  rungPause,
  seen,
  sending,
  topic,
  topology,
  planned,
  transactions,
  uncovered,
  cluster,
  faultRun,
} = kafkaSuites
const driverFetching = driver('fetching')
const driverSending = driver('sending')

/** Group C: publishing to Kafka. */
export const kafkaPublishingRequirements: readonly Requirement[] = [
  {
    id: 'C1',
    failure: 'One send that spans partitions resolves although a broker has never written its part.',
    musts: [
      {
        must: 'A send goes to one partition, and those of other partitions do not wait for it.',
        tests: [
          partition('has one send at a time, and what piled up goes next, in order'),
          partition('does not wait for another'),
          driverSending('writes batch after batch in order, hundreds of records each, to many partitions at a time'),
        ],
      },
      {
        must: 'A send counts as confirmed only if the answer covers its partition.',
        tests: [uncovered('is none for us: %o')],
      },
      {
        must: 'What was confirmed survives the death of its broker.',
        tests: [
          leaderDies('costs us nothing: %o'),
          cluster('the death of a leader costs nothing that was confirmed, and nobody waits for it'),
          brokerDies('loses no confirmed message, and the consumer goes on when it is back'),
        ],
      },
    ],
  },
  {
    id: 'C2',
    failure: 'Messages without a key are distributed anew when a send is repeated: some are lost, others doubled.',
    musts: [
      {
        must: 'The partition is ours to choose, once for each message, also without a key.',
        tests: [
          partition('for messages without a key changes with each batch'),
          failing('goes again before anything younger'),
          keyless('do not go where sends fail, as long as there are others'),
          partitionerKeyless('stay with a partition until its batch leaves'),
          passingError('cost us nothing: %o'),
        ],
      },
    ],
  },
  {
    id: 'C3',
    failure: 'An idempotent producer of kafkajs loses a message when an answer is lost and others are under way.',
    musts: [
      {
        must: 'At most one send of a partition waits for its answer.',
        tests: [partition('has one send at a time, and what piled up goes next, in order')],
      },
      {
        must: 'kafkajs’ idempotent mode is never used.',
        tests: [
          seen('waits for all replicas, is not idempotent or transactional, and creates no topic: %o'),
          lostAnswer('double a message at most, and lose none: %i answers'),
          lostAnswer('and one at a time double a message at most, in order'),
        ],
      },
    ],
  },
  {
    id: 'C4',
    failure: 'An idempotent producer that goes on after a rejected send swallows the next message.',
    musts: [
      {
        must: 'What was rejected is sent again as it was, or rejected to the caller; no number of a producer stands for it.',
        tests: [
          failing('goes again before anything younger'),
          caller('gets unknown when an attempt ended without an answer, whatever came after it'),
          lostAnswer('after a message that was rejected the next ones are written'),
        ],
      },
    ],
  },
  {
    id: 'C5',
    failure: 'After an error of its sequence, an idempotent producer of kafkajs never sends again.',
    musts: [
      {
        must: 'No error leaves a producer behind that cannot send: after failures in a row a new one is made.',
        tests: [
          driverFaults('a broker that dies > and comes back finds the driver at work again, without a new one'),
          brokerDies('loses no confirmed message, and the consumer goes on when it is back'),
        ],
      },
    ],
  },
  {
    id: 'C6',
    failure: 'A repeated send makes duplicates.',
    musts: [
      {
        must: 'A publish whose answer is lost says that it may have arrived, and a repetition has the same id.',
        tests: [
          caller('gets unknown when an attempt ended without an answer, whatever came after it'),
          caller('gets unknown at the deadline of a message that is being sent'),
          faultRun('traffic on Kafka survives faults of several kinds, and every invariant holds'),
          repeatedPublish('can be repeated with the same id when it failed, as the error’s own advice says'),
        ],
      },
    ],
  },
  {
    id: 'C7',
    failure: 'With fewer confirmations than all, a failover loses what was confirmed.',
    musts: [
      {
        must: 'Confirmed means all replicas that are in sync; nobody can ask for less.',
        tests: [
          seen('waits for all replicas, is not idempotent or transactional, and creates no topic: %o'),
          encoded(
            'asks for the confirmation of all replicas, and belongs to no transaction and no idempotent producer',
          ),
        ],
      },
      {
        must: 'Topics that can lose what is confirmed are warned of at the start.',
        tests: [planned('that gives guarantees up is warned of, once')],
      },
    ],
  },
  {
    id: 'C8',
    failure: 'The client gives up before a broker has restarted.',
    musts: [
      {
        must: 'A publish is repeated until its own deadline, and then rejected.',
        tests: [
          brokerDies('loses no confirmed message, and the consumer goes on when it is back'),
          brokerDies('and stays away keeps no caller beyond its deadline, and says what is known'),
          caller('gets notSent at the deadline of a message whose attempts never reached a broker'),
          topic('is looked for as long as somebody waits, and keeps the order of who waited'),
        ],
      },
      {
        must: 'It is called not sent only when no attempt can be in the log.',
        tests: [
          movedLeader('says $name, and nobody says that the message was not sent: fastPath $fastPath'),
          caller('gets unknown when an attempt ended without an answer, whatever came after it'),
          topic('that was deleted after an attempt that may have been written is refused as unknown'),
        ],
      },
    ],
  },
  {
    id: 'C9',
    failure: 'One message that is too large fails its whole batch, again and again.',
    musts: [
      {
        must: 'What is too large is refused before it is sent.',
        tests: [
          caller('is refused a body that is too long before anything is sent'),
          limits('whose headers make it larger than what the topic takes is refused before anything is sent'),
          promises('bodySize: a body above the transport’s limit is refused as not sent, and its neighbours arrive'),
        ],
      },
      {
        must: 'A batch that the topic does not take is divided until the culprit is alone.',
        tests: [
          failing('for its size is divided until the message at fault is alone'),
          failing('for one invalid record is sent one by one'),
          batches('are as large as ever once the one message that was too large is found'),
          sending('refuses a message that the topic is too small for, and keeps its neighbours'),
        ],
      },
    ],
  },
  {
    id: 'C10',
    failure: 'A misspelt topic comes into being by itself, or costs seconds of hidden attempts.',
    musts: [
      {
        must: 'A topic is known before anything is sent to it; one that is missing is refused at once.',
        tests: [
          sending('refuses a topic that is not there at once when it may not create one'),
          topic('that is not there and may not be created is refused'),
          topic('that was deleted is found out, and refused'),
          driverSending('says that there is no such topic, and that nothing was written'),
        ],
      },
      {
        must: 'Topics come from the plan alone, with explicit partitions.',
        tests: [
          planned('is planned, applied and verified beside it, before it starts'),
          planned('that asks for other partitions, copies or settings than there are is told what is expected'),
          topology('is created by a consumer, with the partitions of the destination'),
          topology('is created once by processes that start together'),
          topology('is refused when it may not be created'),
          topic('that is not there is created with the partitions of its destination'),
        ],
      },
      {
        must: 'The broker is never asked to create one, also where it would.',
        tests: [
          seen('waits for all replicas, is not idempotent or transactional, and creates no topic: %o'),
          autoCreation('makes none for us: not when something is sent, nor when it is read'),
          autoCreation('makes none anew that was deleted while we sent to it and read it'),
        ],
      },
    ],
  },
  {
    id: 'C11',
    failure: 'Keys move to other partitions: with another client, or with more partitions.',
    musts: [
      {
        must: 'A key goes where Java’s clients send it.',
        tests: [
          murmur2('hashes %s as Java does'),
          partitionerKeys('goes where Java sends it, with %s for messages without one'),
          foreignClients('write a key to the partition to which a service publishes it'),
        ],
      },
      {
        must: 'More partitions are used soon after they are there; keys move then, which the docs say.',
        tests: [topic('gets more partitions within a minute of sending')],
      },
    ],
  },
  {
    id: 'C12',
    failure: 'Transactions of the old protocol lose, tear or resurrect writes.',
    musts: [
      {
        must: 'Nothing of ours is written in a transaction, and exactly once is not promised.',
        tests: [seen('waits for all replicas, is not idempotent or transactional, and creates no topic: %o')],
      },
    ],
  },
  {
    id: 'C13',
    failure: 'A transactional producer is fenced, times out, or is refused for good.',
    musts: [
      {
        must: 'There is no transactional producer of ours; transactions of others are read when they are committed.',
        tests: [
          transactions('are delivered when it is committed, not when it is aborted, and offsets pass what is none'),
          kcat('what a transaction commits is handled, and what one that was killed wrote is not'),
          driverFetching('brings what transactions have committed, and nothing of what they gave up'),
        ],
      },
    ],
  },
  {
    id: 'C14',
    failure: 'A send that is repeated lands behind a younger one.',
    musts: [
      {
        must: 'A batch that failed goes again before anything younger of its partition.',
        tests: [
          failing('goes again before anything younger'),
          batches('keep the order of a key while they are divided'),
          sending('delivers thousands of concurrent messages in the order of each key'),
          promises('sendOrder: sends of one key reach the broker in call order'),
        ],
      },
    ],
  },
  {
    id: 'C15',
    failure: 'A codec that is not there is found out when the first batch is sent.',
    musts: [
      {
        must: 'What cannot be compressed with is refused before any I/O.',
        tests: [
          codecMissing('is refused before any I/O, with what it needs'),
          codec('%s gives back what it was given, and takes less room'),
          compressed('is confirmed, and read as it was: %o'),
        ],
      },
    ],
  },
  {
    id: 'C16',
    failure: 'Header values that are no strings break a send.',
    musts: [
      {
        must: 'Headers are strings, or the publish is refused before it is sent.',
        tests: [
          publisherHeaders('header values that are no strings are refused: they break the wire'),
          message('with a header of %s is refused: Kafka has bytes only'),
          limits('with a header that is no string is refused alone'),
          driverSending('keeps keys, values, headers and times as they are'),
        ],
      },
    ],
  },
  {
    id: 'C17',
    failure: 'A clock that is wrong breaks retention, lookups and sends.',
    musts: [
      {
        must: 'The broker’s time can be used instead of ours, and a clock that is ahead holds back no retry.',
        tests: [
          rungPause('is due its delay after it was seen when the clock of its writer is ahead'),
          rungPause('is due its delay after it was seen when it has no time'),
          aheadClock('does no harm where the topic has the broker’s time'),
          aheadClock('is refused by a topic that takes no such time, and nothing is written'),
          recordTime('is the broker’s or ours, as topic (%s) and option (%s) say'),
        ],
      },
    ],
  },
  {
    id: 'C18',
    failure: 'Disconnecting in the middle of sends leaves them without an outcome.',
    musts: [
      {
        must: 'A close takes nothing more, waits for what is under way, and ends by its deadline; each publish has an outcome.',
        tests: [
          caller('is let go when the transport closes: what was under way is unknown, what waited is not sent'),
          caller('is confirmed what is confirmed while the transport closes'),
          brokerDies('or stops answering keeps neither a publish nor a close beyond its deadline'),
          driverFaults(
            'a broker that is frozen > keeps no stop and no close beyond its deadline, and no send beyond the request timeout',
          ),
        ],
      },
      { must: 'Nothing is left of a closed transport.', tests: [closed('leaves no timer and no socket behind')] },
    ],
  },
  {
    id: 'C19',
    failure: 'On Node.js 24 and later kafkajs arms a timer every millisecond, and warns of it.',
    musts: [
      {
        must: 'An idle client arms no timer, on every version of Node.js.',
        tests: [
          quietQueue('arms none while nothing waits, once it is quiet'),
          quietQueue('still sends what waits: after an answer, and after a broker asked to slow down'),
        ],
      },
    ],
  },
  {
    id: 'C20',
    failure: 'A leader that was deposed confirms what is thrown away later.',
    musts: [
      {
        must: 'A send has one partition, so no neighbour’s answer can stand for it; all in-sync replicas have confirmed it.',
        tests: [
          partition('has one send at a time, and what piled up goes next, in order'),
          uncovered('is none for us: %o'),
          encoded(
            'asks for the confirmation of all replicas, and belongs to no transaction and no idempotent producer',
          ),
        ],
      },
    ],
  },
]
