import type { Message, Producer, ProducerRecord, RecordMetadata } from 'kafkajs'
import { DriverError } from '../driverError.js'
import type { DriverSettings, OutgoingBatch } from '../driver.js'
import { createKafkajsClient, retryOptions } from './kafkajsClient.js'
import type { KafkajsClient } from './kafkajsClient.js'
import { toDriverError } from './kafkajsErrors.js'

export interface KafkajsProducer {
  connect(): Promise<void>
  send(batch: OutgoingBatch): Promise<void>
  /** Breaks connections; what is under way fails. */
  end(): void
}

interface Session {
  readonly client: KafkajsClient
  readonly producer: Producer
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
  let session: Session | undefined
  let ended = false

  function open(): Session {
    if (ended) throw new DriverError({ kind: 'closed', message: 'The driver is closed', written: 'no' })
    const client = createKafkajsClient(settings, { retries: 0 })
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
    const opened: Session = { client, producer, connected: producer.connect(), underWay: 0, failures: 0 }
    opened.connected.catch(() => renew(opened))
    session = opened
    return opened
  }

  function renew(current: Session): void {
    if (session === current) session = undefined
    discard(current)
  }

  function settle(current: Session): void {
    current.underWay -= 1
    if (current.failures >= failuresBeforeRenewal && current.underWay === 0) renew(current)
  }

  return {
    async connect() {
      try {
        await (session ?? open()).connected
      } catch (error) {
        throw toDriverError(error, 'Connecting')
      }
    },
    async send(batch) {
      const current = session ?? open()
      const { connected } = current.client.sockets
      const connectedBefore = connected.open === 0 ? connected.total : -1
      current.underWay += 1
      try {
        await current.connected
        covers(await current.producer.send(requestOf(batch, settings)), batch)
        current.failures = 0
      } catch (error) {
        current.failures += 1
        const failure = toDriverError(error, `Sending to ${batch.topic}[${batch.partition}]`)
        // Without a connection before, during and after, nothing can have been written.
        throw connected.total === connectedBefore ? notWritten(failure) : failure
      } finally {
        settle(current)
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

function requestOf(batch: OutgoingBatch, settings: DriverSettings): ProducerRecord {
  const messages: Message[] = []
  for (const { key, value, headers, timestampMs } of batch.records) {
    messages.push({ partition: batch.partition, key, value, headers, timestamp: String(timestampMs) })
  }
  return { topic: batch.topic, messages, acks: -1, timeout: settings.requestTimeoutMs }
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
