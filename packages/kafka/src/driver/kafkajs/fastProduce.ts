import type { Kafka, Message } from 'kafkajs'
import { DriverError } from '../driverError.js'
import { isBroker, watchClusters } from './kafkajsInternals.js'
import type { Broker, ProduceArguments, ProtocolRequest } from './kafkajsInternals.js'
import { produceVersions } from '../produceRequest.js'

/**
 * Lets one message stand for a whole produce request that is encoded already: kafkajs chooses the leader, sends and reads
 * the answer as ever, but never sees the records, for which it would make several buffers each, and copy each list
 * once per message.
 */
export interface FastProduce {
  /** False once kafkajs turned out to look different from what we know; messages of the plain kind always work. */
  readonly isUsable: boolean
  /** The message that stands for the body of a produce request. */
  standIn(partition: number, body: Buffer): Message
  /** False when what the message stands for was never given to a connection: nothing of it can have been written. */
  mayBeWritten(message: Message): boolean
}

/** The value of a stand-in. kafkajs' own encoder throws over it, so it can never be written as a message. */
class EncodedProduce {
  readonly body: Buffer
  isTaken = false
  constructor(body: Buffer) {
    this.body = body
  }
}

const produceKey = 0

/** To be called before the producer is made. */
export function createFastProduce(kafka: Kafka): FastProduce {
  const prepared = new WeakSet<Broker>()
  let isUsable = false

  function refuse(): never {
    isUsable = false
    const message = 'This kafkajs looks different from what we know; its own encoder is used from now on'
    throw new DriverError({ kind: 'unavailable', message, written: 'no' })
  }

  function prepare(broker: Broker): void {
    if (prepared.has(broker)) return
    prepared.add(broker)
    const produce = broker.produce
    broker.produce = async (request) => {
      const encoded = encodedOf(request)
      if (encoded === undefined) return produce.call(broker, request)
      const pool = broker.connectionPool
      const send = pool.send
      // `produce` calls `send` before it awaits anything; nothing else can come between.
      pool.send = (plain) => send.call(pool, replaceBody(plain, encoded))
      let answer: Promise<unknown>
      try {
        answer = produce.call(broker, request)
      } finally {
        pool.send = send
      }
      if (!encoded.isTaken) answer.catch(() => {})
      return encoded.isTaken ? answer : refuse()
    }
  }

  function replaceBody(plain: ProtocolRequest, encoded: EncodedProduce): ProtocolRequest {
    const { request } = plain
    const { apiKey, apiVersion } = request
    if (apiKey !== produceKey || apiVersion < produceVersions.least || apiVersion > produceVersions.most) refuse()
    encoded.isTaken = true
    const { body } = encoded
    // What kafkajs asks of its own `Encoder`.
    return { ...plain, request: { ...request, encode: () => Promise.resolve({ buf: body, buffer: body }) } }
  }

  isUsable = watchClusters(kafka, (cluster) => {
    const findBroker = cluster.findBroker
    cluster.findBroker = async (wanted) => {
      const broker = await findBroker.call(cluster, wanted)
      if (isBroker(broker)) prepare(broker)
      else isUsable = false
      return broker
    }
  })

  return {
    get isUsable() {
      return isUsable
    },
    standIn: (partition, body) => ({ partition, value: new EncodedProduce(body) as unknown as Buffer }),
    mayBeWritten(message) {
      const value: unknown = message.value
      return !(value instanceof EncodedProduce) || value.isTaken
    },
  }
}

function encodedOf({ topicData }: ProduceArguments): EncodedProduce | undefined {
  const value = topicData?.[0]?.partitions?.[0]?.messages?.[0]?.value
  return value instanceof EncodedProduce ? value : undefined
}
