import type { Requirement } from './requirement.js'
import { suites } from './suites.js'

const {
  replay,
  unrouted,
  exclusiveQueue,
  topology,
  mismatch,
  faultRun,
  reconnecting,
  errors,
  closing,
  classicNode,
  alarm,
  smallFrames,
  credentials,
  amqplibVersion,
  losing,
  handshake,
  brokerKill,
  cluster,
  connecting,
  consuming,
  cuts,
  declaring,
  faults,
  headerValues,
  judging,
  mappingTo,
  operating,
  options,
  pending,
  promises,
  publisherHeaders,
  publishing,
  publishingFailures,
  publishQueue,
  recycling,
  refusals,
  repeatedPublish,
  restarts,
  routed,
  settlement,
  window,
} = suites

/** Group A: connections and publishing. */
export const publishingRequirements: readonly Requirement[] = [
  {
    id: 'A1',
    failure: 'What was written but not confirmed is gone when the connection breaks.',
    musts: [
      {
        must: 'Every publish that waits for its confirmation is rejected as `unknown`, with a code of its own, when its connection ends.',
        tests: [
          cuts('inside a burst, by its bytes %s, settles every publish and loses none that was confirmed'),
          faults('loses no confirmed message when it is killed and started again in the middle'),
          publishQueue('fails what a lost connection held as unknown, and writes the rest on the next one'),
        ],
      },
      {
        must: 'What was confirmed is never lost.',
        tests: [
          faultRun('traffic on RabbitMQ survives faults of most kinds, and every invariant holds'),
          faultRun('${what} turns the run red'),
          brokerKill('%s: kill -9 in the middle of 20,000 messages loses none that was confirmed'),
          faults('loses no confirmed message when it is killed and started again in the middle'),
        ],
      },
      {
        must: 'Nothing is sent again behind the caller’s back, and a repetition has the same id.',
        tests: [
          restarts('answers each publish around a cut once: confirmed, unknown, or sent on the next connection'),
          repeatedPublish('can be repeated with the same id when it failed, as the error’s own advice says'),
        ],
      },
    ],
  },
  {
    id: 'A2',
    failure: 'One bad publish takes its channel and all neighbours down, without a reason.',
    musts: [
      {
        must: 'The broker’s reason for closing a channel is the cause of every publish that fails with it.',
        tests: [publishingFailures('have the answer of the broker that closed their channel as their cause')],
      },
      {
        must: 'Only the culprit fails; its neighbours are published again, with their ids, within their deadlines.',
        tests: [
          publishing('fails only the publish whose exchange is missing; its neighbours are published again'),
          publishQueue(
            'writes the neighbours of a publish to a missing exchange again, in order and before newer ones',
          ),
          publishQueue('does not say notSent of a neighbour that reached its deadline before it was written again'),
        ],
      },
      {
        must: 'Who the culprit is gets found out without risk for others.',
        tests: [judging('blames the publish to the missing exchange, and for certain when it is the only one')],
      },
    ],
  },
  {
    id: 'A3',
    failure: 'A publish on a closed channel throws, while the same one a moment earlier rejects.',
    musts: [
      {
        must: 'Both come as one rejected promise, or wait for the next channel.',
        tests: [
          publishingFailures(
            'never throw at their caller: each millisecond around the end of a channel gets a promise, and the good ones resolve',
          ),
          publishQueue('keeps a publish that met a closing channel, before those that wait'),
        ],
      },
    ],
  },
  {
    id: 'A4',
    failure: 'Closing never settles when the other side does not answer.',
    musts: [
      {
        must: 'Every close has a deadline, after which the socket is destroyed.',
        tests: [
          closing('settles by its deadline while nothing passes %s, with publishes and handlers under way'),
          closing('in the middle of publishes answers each of them, and what it confirmed is there'),
          closing('in the middle of handlers settles, and their messages come to the next process'),
          closing('settles while TLS is being agreed with a server that says nothing'),
          faults('that freezes is noticed by heartbeats, and does not hold up a close'),
          connecting('close settles while connecting to a server that never answers, and so does the connect'),
          faults('close settles while the broker blocks publishers'),
        ],
      },
    ],
  },
  {
    id: 'A5',
    failure: 'A dead peer is found minutes late.',
    musts: [
      {
        must: 'Heartbeats find a dead peer within seconds.',
        tests: [
          faults('that freezes is noticed by heartbeats, and does not hold up a close'),
          options('have defaults that are safe in production'),
        ],
      },
      {
        must: 'A publish ends at its own deadline, whatever heartbeats say.',
        tests: [
          faults('that freezes is noticed by heartbeats, and does not hold up a close'),
          pending('is rejected at its deadline and leaves the queue'),
        ],
      },
    ],
  },
  {
    id: 'A6',
    failure: 'The client’s own recovery can end the process, and brings neither channels nor consumers back.',
    musts: [
      {
        must: 'We reconnect ourselves, and bring everything back with it.',
        tests: [
          cuts('while everything is set up again, at whatever point, comes back whole and leaves no error uncaught'),
          faults('that comes back empty gets its exchanges, queues and consumers again'),
          faults('that closes every connection makes written publishes unknown, and both sides come back'),
        ],
      },
      {
        must: 'Whatever comes in the moment in which a connection opens, no error is uncaught.',
        tests: [
          handshake('whose last answer comes together with a close is a failed attempt, and no crash'),
          handshake('whose last answer comes together with a graceful close is not taken for an open connection'),
          handshake('with %s fails at the deadline, and no error is uncaught'),
        ],
      },
    ],
  },
  {
    id: 'A7',
    failure: 'When the broker closes a connection in an orderly way, there is no error event.',
    musts: [
      {
        must: 'The end of a connection is noticed by its close alone.',
        tests: [faults('that closes every connection makes written publishes unknown, and both sides come back')],
      },
    ],
  },
  {
    id: 'A8',
    failure: 'An error event without a listener ends the process.',
    musts: [
      {
        must: 'Listeners are there from the first moment, on idle connections and on every channel.',
        tests: [
          cuts('without a sound while nothing is done is found by heartbeats, on both sides, and comes back'),
          faults('that freezes is noticed by heartbeats, and does not hold up a close'),
          connecting('close settles while connecting to a server that never answers, and so does the connect'),
        ],
      },
    ],
  },
  {
    id: 'A9',
    failure: 'With a memory or disk alarm all looks fine, and nothing is confirmed.',
    musts: [
      {
        must: 'Publishes wait and end at their deadline; health says blocked.',
        tests: [
          alarm('is offered a gigabyte and costs no memory for it; who waits is confirmed after it'),
          faults('that blocks publishers makes them wait until their deadline, and shows in health'),
          publishQueue('writes nothing while the broker blocks, and then in the order of the calls'),
        ],
      },
      {
        must: 'Consuming goes on: it has a connection of its own.',
        tests: [
          faults('that blocks publishers makes them wait until their deadline, and shows in health'),
          connecting('opens the consuming connection only with a subscription'),
        ],
      },
    ],
  },
  {
    id: 'A10',
    failure: 'The client buffers without end, and its drain event may never come.',
    musts: [
      {
        must: 'What is unconfirmed is bounded by count and by bytes.',
        tests: [
          alarm('is offered a gigabyte and costs no memory for it; who waits is confirmed after it'),
          window('lets in by count, and the rest in order as places become free'),
          window('lets in by bytes'),
          window('keeps order and bounds over a random run (seed ${seed})'),
        ],
      },
      {
        must: 'Who waits for room is let go by the end of the connection and by the deadline.',
        tests: [
          publishQueue('waits for room in the buffer'),
          publishQueue('fails what a lost connection held as unknown, and writes the rest on the next one'),
          window('refuses at the deadline, saying that nothing was sent'),
        ],
      },
    ],
  },
  {
    id: 'A11',
    failure: 'Confirms come out of order and in groups, and are taken for those of other messages.',
    musts: [
      {
        must: 'Each publish gets its own answer.',
        tests: [
          publishingFailures(
            'are told apart from their neighbours: every one of thousands gets the answer that was meant for it',
          ),
          publishQueue('writes at once, and resolves each with its own confirmation, in any order'),
        ],
      },
    ],
  },
  {
    id: 'A12',
    failure: 'The client’s list of unconfirmed messages grows without end.',
    musts: [
      {
        must: 'That list is not used, or its channel is replaced after so many publishes.',
        tests: [
          recycling(
            'of the client’s own path is replaced again and again, so that its list of unconfirmed messages stays short',
          ),
          recycling('of coalesced writes leaves nothing in the client’s list, and stays'),
          publishQueue('replaces its channel after so many publishes, once nothing is in flight on it'),
          publishQueue('keeps its channel when the broker does not confirm in time to replace it'),
        ],
      },
    ],
  },
  {
    id: 'A13',
    failure: 'A message that no queue takes is confirmed all the same.',
    musts: [
      {
        must: 'An event that nobody receives can be kept, in a queue with bounds, and given to a later group.',
        tests: [
          unrouted('is kept before its publish resolves, as it was, and is still told to be unrouted'),
          unrouted('is only reported and counted when the queue is full'),
          replay('gives a later group what it missed, of the types that it asks for'),
          replay('loses none when it is interrupted again and again'),
        ],
      },
      {
        must: 'Every publish is mandatory, and says whether it was routed.',
        tests: [
          faultRun('${what} turns the run red'),
          mappingTo('makes every message persistent and mandatory, with its headers as they are'),
          publishing('says that a message which a group listens for was routed, and one that nobody does was not'),
          publishingFailures(
            'say unrouted from the moment in which the binding is deleted, and routed only of what arrives',
          ),
        ],
      },
      {
        must: 'A command that nobody receives rejects; an event resolves as unrouted and is counted.',
        tests: [
          promises('mustRoute: a command that nobody receives rejects as not sent, an event when it is asked'),
          routed('an event that nobody receives resolves with routed false and is counted'),
        ],
      },
      {
        must: 'A retry or a dead letter that nobody takes counts as failed: its original stays.',
        tests: [
          settlement('takes an unrouted copy for a refused one'),
          consuming('says that a retry without its rung, and a dead letter without its queue, reached nobody'),
        ],
      },
    ],
  },
  {
    id: 'A14',
    failure: 'A returned message cannot be told from another one.',
    musts: [
      {
        must: 'Nothing is published without an id.',
        tests: [publishingFailures('without an id never leave, since no answer could be told from another')],
      },
      {
        must: 'A return belongs to the publish with its id, exchange and routing key.',
        tests: [
          publishing('ties each return to its own publish, also for copies of one id at once'),
          publishQueue('ties a return to its publish although an earlier one with the same id was given up'),
        ],
      },
    ],
  },
  {
    id: 'A15',
    failure: 'The broker refuses a message (nack).',
    musts: [
      {
        must: 'It is retryable, has a code and a count of its own, and costs nothing else.',
        tests: [
          publishingFailures('because a queue is full are counted, cost nothing else, and succeed once there is room'),
          publishing('rejects what the broker refuses (nack) as unknown'),
        ],
      },
      {
        must: 'It ends with its reason, also on a channel that RabbitMQ 3.10 leaves refusing for good.',
        tests: [
          publishQueue(
            'replaces a channel that goes on refusing, once nothing is in flight on it, and not one that refused for a moment',
          ),
          refusals('takes messages again when its limit is taken away (fastPath: %s)'),
        ],
      },
      {
        must: 'A refused retry or dead letter is sent again with growing waits.',
        tests: [
          settlement(
            'keeps the original and repeats a dead letter that the broker refuses, with growing waits, until it is stored',
          ),
        ],
      },
    ],
  },
  {
    id: 'A16',
    failure: 'Declaring a queue with other arguments closes the channel and what is on it.',
    musts: [
      {
        must: 'Declarations have channels of their own, and a mismatch says expected and actual.',
        tests: [
          mismatch('says expected against actual of every argument'),
          mismatch('of an exchange names its type'),
          declaring('refuses a rung that exists with another TTL, and costs nobody who publishes meanwhile'),
          publishing('refuses an exchange of another kind with what it expected and what the broker says'),
        ],
      },
      {
        must: 'Declaring can be left to others.',
        tests: [
          mismatch('is found by verify together with all others, and nothing is changed'),
          topology('is planned, applied and verified beside it, before it starts'),
          publishing('with "verify" refuses an exchange that is missing, at connect and at publish'),
        ],
      },
    ],
  },
  {
    id: 'A17',
    failure: 'Old clients cannot talk to newer brokers: frames are too small.',
    musts: [
      {
        must: 'A client that cannot is refused before it connects.',
        tests: [
          amqplibVersion('release %s is refused'),
          amqplibVersion('release %s is taken'),
          amqplibVersion('the amqplib that we get is found and fits'),
        ],
      },
      {
        must: 'Frames are as large as the broker allows, and what does not fit into small ones is refused.',
        tests: [
          smallFrames('gets no message whose headers do not fit, and every other one'),
          publishing('takes the longest body and the largest headers that it allows'),
        ],
      },
    ],
  },
  {
    id: 'A18',
    failure: 'A message that is too large costs the channel or the connection.',
    musts: [
      {
        must: 'Body and headers are measured before they are written; too large is `notSent`, with a code of its own.',
        tests: [
          publishing('refuses what can never arrive as notSent, without a word to the broker'),
          publishing('takes the longest body and the largest headers that it allows'),
          promises('bodySize: a body above the transport’s limit is refused as not sent, and its neighbours arrive'),
        ],
      },
      {
        must: 'Where the broker takes less than we assume, the one that is too large fails alone.',
        tests: [judging('blames the one that is larger than the broker takes')],
      },
    ],
  },
  {
    id: 'A19',
    failure: 'An inbound frame that is too large ends the connection, again and again.',
    musts: [
      {
        must: 'The longest body that is allowed comes in.',
        tests: [promises('bodySize: the longest body arrives byte by byte')],
      },
      {
        must: 'A connection that is lost for the same reason again and again is an error, and shows in health.',
        tests: [
          losing('again and again for the same reason is an error, and shows in health'),
          losing('for different reasons is no error'),
        ],
      },
    ],
  },
  {
    id: 'A20',
    failure: 'Header values that are no strings break the wire, or vanish.',
    musts: [
      {
        must: 'Headers are strings or the publish is refused; none of them costs the channel.',
        tests: [
          headerValues('arrive as they are, or are refused as notSent; none of them costs the channel'),
          publisherHeaders('header values that are no strings are refused: they break the wire'),
        ],
      },
    ],
  },
  {
    id: 'A21',
    failure: 'Newer brokers refuse what older ones took: global prefetch, transient queues, classic options.',
    musts: [
      {
        must: 'Queues and exchanges are durable, prefetch is per consumer, and nothing old is asked for.',
        tests: [operating('is durable, of kinds that every version has, and without anything that newer ones refuse')],
      },
    ],
  },
  {
    id: 'A22',
    failure: 'A cluster lives, and its client keeps calling the node that died.',
    musts: [
      {
        must: 'A queue whose node is down is not called missing: it is asked for again.',
        tests: [
          classicNode('takes a first subscription to it once the node is back, and never calls the queue missing'),
          errors('of a queue whose node does not answer pass by themselves: %s'),
        ],
      },
      {
        must: 'Any node of a list will do.',
        tests: [
          cluster('goes on with the other two: what was confirmed arrives, and both sides move to living nodes'),
          connecting('moves on to the next node when one does not answer'),
        ],
      },
      {
        must: 'Queues survive the loss of a node, and so does what was confirmed.',
        tests: [cluster('goes on with the other two: what was confirmed arrives, and both sides move to living nodes')],
      },
    ],
  },
  {
    id: 'A23',
    failure: 'Transient messages are gone after a restart.',
    musts: [
      {
        must: 'Every message is persistent.',
        tests: [
          restarts('still has every confirmed message, in quorum queues and in durable classic ones'),
          publishing('stores messages as persistent, with id and type as native properties'),
        ],
      },
    ],
  },
  {
    id: 'A24',
    failure: 'After a quick reconnect, the broker still holds exclusive things for the old connection.',
    musts: [
      {
        must: 'What a lost connection may still hold is asked for again, and the error says so.',
        tests: [
          exclusiveQueue('waits for a queue that another connection holds exclusively'),
          errors('of a queue that a lost connection may still hold say so'),
        ],
      },
      {
        must: 'Nothing that holds data is exclusive.',
        tests: [operating('is durable, of kinds that every version has, and without anything that newer ones refuse')],
      },
    ],
  },
  {
    id: 'A25',
    failure: 'One drop is answered by two new connections.',
    musts: [
      {
        must: 'One loop reconnects, whatever events come.',
        tests: [
          reconnecting('a hundred times comes back once each time, and never twice'),
          faults('that closes every connection makes written publishes unknown, and both sides come back'),
        ],
      },
    ],
  },
  {
    id: 'A26',
    failure: 'What is published between the drop and its notice is lost, or doubled in silence.',
    musts: [
      {
        must: 'It waits for the next connection until its deadline, or rejects.',
        tests: [
          restarts('answers each publish around a cut once: confirmed, unknown, or sent on the next connection'),
          promises('unreachable: without a broker, publish rejects at its deadline as not sent, and stop settles'),
        ],
      },
    ],
  },
  {
    id: 'A27',
    failure: 'All clients reconnect at once, or try for ever what cannot work.',
    musts: [
      {
        must: 'Clients that lost one broker in the same moment come back at moments of their own.',
        tests: [reconnecting('together with those of 199 other clients comes back at a moment of its own')],
      },
      {
        must: 'Refused credentials and virtual hosts end a start at once.',
        tests: [
          connecting('a wrong password fails at once, is not tried again, and appears nowhere'),
          connecting('a virtual host that does not exist fails soon and is named'),
          credentials('whose credentials are refused ends the attempts'),
          handshake('with %s ends the attempts'),
        ],
      },
    ],
  },
]
