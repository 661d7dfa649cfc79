import type { Message, Producer, ProducerRecord, RecordMetadata } from 'kafkajs'
import { codecOf } from '../../compression.js'
import { DriverError } from '../driverError.js'
import type { DriverSettings, OutgoingBatch } from '../driver.js'
import { createFastProduce } from './fastProduce.js'
import type { FastProduce } from './fastProduce.js'
import { createKafkajsClient, retryOptions } from './kafkajsClient.js'
import type { KafkajsClient } from './kafkajsClient.js'
import { toDriverError } from './kafkajsErrors.js'
import { encodeProduce } from '../produceRequest.js'

export interface KafkajsProducer {
  connect(): Promise<void>
  send(batch: OutgoingBatch): Promise<void>
  /** Breaks connections; what is under way fails. */
  end(): void
}

interface Session {
  readonly client: KafkajsClient
  readonly producer: Producer
  readonly fast: FastProduce
  readonly connected: Promise<void>
  underWay: number
  failures: number
}

/** After so many failures in a row, with nothing under way, a new client is more likely to recover than the old one. */
const failuresBeforeRenewal = 3

/**
 * Sends one batch to one partition, never in kafkajs' idempotent mode. Only the first attempt is
 * kafkajs': repeating is ours, since its own waits know nothing of deadlines.
 */
export function createKafkajsProducer(settings: DriverSettings): KafkajsProducer {
  const requestOf = createRequests(settings)
  let session: Session | undefined
  let ended = false

  function current(): Session {
    if (ended) throw new DriverError({ kind: 'closed', message: 'The driver is closed', written: 'no' })
    return session ?? open()
  }

  function open(): Session {
    // As many as there are other addresses to connect to; the producer's own are none.
    const client = createKafkajsClient(settings, { retries: settings.brokers.length - 1 })
    const fast = createFastProduce(client.kafka)
    const producer = client.kafka.producer({
      allowAutoTopicCreation: false,
      idempotent: false,
      metadataMaxAge: 60_000,
      retry: retryOptions(0),
      // Ours to choose: kafkajs' own would choose again on a retry.
      createPartitioner:
        () =>
        ({ message }) =>
          message.partition!,
    })
    const opened: Session = { client, producer, fast, connected: producer.connect(), underWay: 0, failures: 0 }
    opened.connected.catch(() => renew(opened))
    session = opened
    return opened
  }

  function renew(old: Session): void {
    if (session === old) session = undefined
    discard(old)
  }

  function settle(used: Session): void {
    used.underWay -= 1
    if (used.failures >= failuresBeforeRenewal && used.underWay === 0) renew(used)
  }

  return {
    async connect() {
      try {
        await current().connected
      } catch (error) {
        throw toDriverError(error, 'Connecting')
      }
    },
    async send(batch) {
      const used = current()
      const { connected } = used.client.sockets
      const connectedBefore = connected.open === 0 ? connected.total : -1
      let request: ProducerRecord | undefined
      used.underWay += 1
      try {
        await used.connected
        request = await requestOf(batch, used.fast)
        covers(await used.producer.send(request), batch)
        used.failures = 0
      } catch (error) {
        used.failures += 1
        const failure = toDriverError(error, `Sending to ${batch.topic}[${batch.partition}]`)
        const mayBeWritten = request?.messages.some((message) => used.fast.mayBeWritten(message)) === true
        // Nor can anything have been written without a connection before, during and after.
        throw !mayBeWritten || connected.total === connectedBefore ? notWritten(failure) : failure
      } finally {
        settle(used)
      }
    },
    end() {
      ended = true
      if (session !== undefined) discard(session)
    },
  }
}

function discard({ client, producer }: Session): void {
  producer.disconnect().catch(() => {})
  client.sockets.end()
}

/** How batches become requests of kafkajs. */
function createRequests(
  settings: DriverSettings,
): (batch: OutgoingBatch, fast: FastProduce) => Promise<ProducerRecord> {
  const timeout = settings.requestTimeoutMs
  const codec = settings.compression === 'none' ? undefined : codecOf(settings.compression)
  const compression = codec?.number ?? 0

  return async (batch, fast) => {
    const { topic, partition } = batch
    if (settings.fastPath && fast.isUsable) {
      const standIn = fast.standIn(partition, await encodeProduce(batch, timeout, codec))
      return { topic, messages: [standIn], acks: -1, timeout }
    }
    const messages: Message[] = []
    for (const { key, value, headers, timestampMs } of batch.records) {
      // Instrumentations of kafkajs write into the headers, which records share.
      messages.push({ partition, key, value, headers: { ...headers }, timestamp: String(timestampMs) })
    }
    return { topic, messages, acks: -1, timeout, compression }
  }
}

/** `send` also resolves when kafkajs knows no leader for the partition and nothing was sent. */
function covers(answer: readonly RecordMetadata[], { topic, partition }: OutgoingBatch): void {
  const confirmed = answer.some(
    (entry) => entry.topicName === topic && entry.partition === partition && entry.errorCode === 0,
  )
  if (confirmed) return
  throw new DriverError({
    kind: 'unavailable',
    message: `Sending to ${topic}[${partition}]: no leader confirmed it`,
    written: answer.length === 0 ? 'no' : 'unknown',
  })
}

function notWritten({ kind, message, cause }: DriverError): DriverError {
  return new DriverError({ kind, message, written: 'no', cause })
}
