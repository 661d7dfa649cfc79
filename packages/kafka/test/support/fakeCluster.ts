import net from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { decodeRecordBatch, KafkaDecoder, KafkaEncoder } from './kafkajsProtocol.js'
import type { Decoder, DecodedBatch, Encoder } from './kafkajsProtocol.js'

/** One partition's part of a produce request, as a broker sees it. */
export interface Produced {
  readonly broker: number
  readonly partition: number
  readonly acks: number
  readonly transactionalId: string | null
  readonly batch: DecodedBatch
  readonly values: readonly string[]
}

/**
 * What becomes of it: written and answered; refused with a code, and perhaps written before; not written, and answered
 * without a word about the partition; never read, or written without an answer, and the connection breaks in both cases.
 */
export type Verdict =
  'write' | { readonly error: number; readonly isWritten?: boolean } | 'answerNothing' | 'loseRequest' | 'loseAnswer'

export interface FakeCluster {
  readonly brokers: readonly string[]
  /** By partition. */
  readonly logs: readonly string[][]
  readonly produced: readonly Produced[]
  /** Whether each question for metadata allowed the broker to create topics. */
  readonly mayCreate: readonly boolean[]
  /** The index of the leader of each partition; a test changes it. */
  readonly leaders: number[]
  /** Set by a test. */
  onProduce: (produced: Produced) => Verdict | Promise<Verdict>
  /** What is written so far, in the order of partitions. */
  written(): string[]
  /** Ends a broker: nobody connects to it any more. */
  kill(broker: number): void
  close(): void
}

const produceKey = 0
const metadataKey = 3
const apiVersionsKey = 18
const initProducerIdKey = 22
const supported = [
  [produceKey, 3, 7],
  [metadataKey, 4, 5],
  [apiVersionsKey, 0, 2],
  [initProducerIdKey, 0, 1],
] as const

const notLeader = 6
const unknownTopic = 3
const outOfOrder = 45

interface Request {
  readonly key: number
  readonly version: number
  readonly body: Decoder
  readonly socket: Socket
  readonly broker: number
}

/** Brokers on loopback that speak as much Kafka as producers need, with one topic of so many partitions. */
export async function createFakeCluster(
  topic: string,
  size: { brokers: number; partitions: number },
): Promise<FakeCluster> {
  const servers = Array.from({ length: size.brokers }, () => net.createServer())
  const sockets = Array.from({ length: size.brokers }, () => new Set<Socket>())
  const logs = Array.from({ length: size.partitions }, (): string[] => [])
  const leaders = logs.map((_, partition) => partition % size.brokers)
  const produced: Produced[] = []
  const mayCreate: boolean[] = []
  const sequences = logs.map(() => createSequence())
  let producerIds = 0

  async function answerTo(request: Request): Promise<Encoder | undefined> {
    if (request.key === apiVersionsKey) return apiVersions(request)
    if (request.key === metadataKey) return metadata(request)
    if (request.key === initProducerIdKey) {
      producerIds += 1
      return new KafkaEncoder().writeInt32(0).writeInt16(0).writeInt64(producerIds).writeInt16(0)
    }
    return produce(request)
  }

  function apiVersions({ version }: Request): Encoder {
    const list = supported.map(([key, min, max]) => new KafkaEncoder().writeInt16(key).writeInt16(min).writeInt16(max))
    const answer = new KafkaEncoder().writeInt16(0).writeArray(list)
    return version > 0 ? answer.writeInt32(0) : answer
  }

  function metadata({ body }: Request): Encoder {
    const wanted = body.readArray((decoder) => decoder.readString())
    mayCreate.push(body.readBoolean())
    const alive = servers.flatMap((server, id) => (server.listening ? [{ id, port: portOf(server) }] : []))
    const brokers = alive.map(({ id, port }) =>
      new KafkaEncoder().writeInt32(id).writeString('127.0.0.1').writeInt32(port).writeString(null),
    )
    const topics = (wanted.length > 0 ? wanted : [topic]).map((name) => {
      const entry = new KafkaEncoder()
        .writeInt16(name === topic ? 0 : unknownTopic)
        .writeString(name)
        .writeBoolean(false)
      return entry.writeArray(name === topic ? leaders.map(partitionMetadata) : [])
    })
    const answer = new KafkaEncoder().writeInt32(0).writeArray(brokers).writeString('fake')
    return answer.writeInt32(alive[0]?.id ?? -1).writeArray(topics)
  }

  async function produce({ body, socket, broker }: Request): Promise<Encoder | undefined> {
    const transactionalId = body.readString()
    const acks = body.readInt16()
    body.readInt32()
    const [parts = []] = body.readArray((decoder) => {
      decoder.readString()
      return decoder.readArray((entry) => ({ partition: entry.readInt32(), bytes: entry.readBytes()! }))
    })
    const answers: Encoder[] = []
    for (const { partition, bytes } of parts) {
      const batch = await decodeRecordBatch(new KafkaDecoder(bytes))
      const values = batch.records.map(({ value }) => value?.toString() ?? '<null>')
      const one: Produced = { broker, partition, acks, transactionalId, batch, values }
      produced.push(one)
      const verdict = await cluster.onProduce(one)
      const { error, offset } = carryOut(one, verdict)
      if (verdict === 'loseRequest' || verdict === 'loseAnswer') {
        socket.destroy()
        return undefined
      }
      if (verdict === 'answerNothing') continue
      const answer = new KafkaEncoder().writeInt32(partition).writeInt16(error).writeInt64(offset)
      answers.push(answer.writeInt64(-1).writeInt64(0))
    }
    const topics = [new KafkaEncoder().writeString(topic).writeArray(answers)]
    return new KafkaEncoder().writeArray(topics).writeInt32(0)
  }

  function carryOut(one: Produced, verdict: Verdict): { error: number; offset: number } {
    if (typeof verdict === 'object') {
      if (verdict.isWritten === true) logs[one.partition]!.push(...one.values)
      return { error: verdict.error, offset: -1 }
    }
    if (verdict === 'loseRequest' || verdict === 'answerNothing') return { error: 0, offset: -1 }
    if (leaders[one.partition] !== one.broker) return { error: notLeader, offset: -1 }
    const log = logs[one.partition]!
    return sequences[one.partition]!(one.batch, () => log.push(...one.values) - one.values.length)
  }

  servers.forEach((server, broker) => {
    server.on('connection', (socket) => {
      sockets[broker]!.add(socket)
      socket.on('error', () => {})
      serve(socket, (key, version, body) => answerTo({ key, version, body, socket, broker }))
    })
  })
  await Promise.all(servers.map((server) => new Promise<void>((up) => server.listen(0, '127.0.0.1', up))))

  const cluster: FakeCluster = {
    brokers: servers.map((server) => `127.0.0.1:${portOf(server)}`),
    logs,
    produced,
    mayCreate,
    leaders,
    onProduce: () => 'write',
    written: () => logs.flat(),
    kill(broker) {
      servers[broker]!.close()
      for (const socket of sockets[broker]!) socket.destroy()
    },
    close: () => servers.forEach((_, broker) => cluster.kill(broker)),
  }
  return cluster
}

function portOf(server: net.Server): number {
  return (server.address() as AddressInfo).port
}

function partitionMetadata(leader: number, partition: number): Encoder {
  const entry = new KafkaEncoder().writeInt16(0).writeInt32(partition).writeInt32(leader)
  return entry.writeArray([leader]).writeArray([leader]).writeArray([])
}

/** Reads requests and answers them in order, as a broker does for one connection. */
function serve(
  socket: Socket,
  answerTo: (key: number, version: number, body: Decoder) => Promise<Encoder | undefined>,
): void {
  let buffered = Buffer.alloc(0)
  let last = Promise.resolve()
  socket.on('data', (chunk) => {
    buffered = Buffer.concat([buffered, chunk])
    while (buffered.length >= 4 && buffered.length >= 4 + buffered.readInt32BE(0)) {
      const length = buffered.readInt32BE(0)
      const body = new KafkaDecoder(buffered.subarray(4, 4 + length))
      buffered = buffered.subarray(4 + length)
      last = last.then(async () => {
        const [key, version, correlationId] = [body.readInt16(), body.readInt16(), body.readInt32()]
        body.readString()
        const answer = await answerTo(key, version, body)
        if (answer === undefined || socket.destroyed) return
        const bytes = new KafkaEncoder().writeInt32(correlationId).writeEncoder(answer).buffer
        const size = Buffer.alloc(4)
        size.writeInt32BE(bytes.length)
        socket.write(Buffer.concat([size, bytes]))
      })
    }
  })
}

/**
 * What a partition leader makes of the sequence of an idempotent producer: a batch that is one of the last five counts as
 * written, and one that does not follow is refused.
 */
function createSequence(): (batch: DecodedBatch, write: () => number) => { error: number; offset: number } {
  let next = 0
  let recent: { first: number; last: number; offset: number }[] = []
  return ({ producerId, firstSequence, records }, write) => {
    if (producerId === '-1') return { error: 0, offset: write() }
    const last = firstSequence + records.length - 1
    const known = recent.find((one) => one.first === firstSequence && one.last === last)
    if (known !== undefined) return { error: 0, offset: known.offset }
    if (firstSequence !== next) return { error: outOfOrder, offset: -1 }
    const offset = write()
    next = last + 1
    recent = [...recent.slice(-4), { first: firstSequence, last, offset }]
    return { error: 0, offset }
  }
}
