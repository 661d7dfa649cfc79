import { Writer, compressionsAlgorithms, createAPI, produceV7 } from '@platformatic/kafka'
import type { API } from '@platformatic/kafka'
import { codecOf } from '../../compression.js'
import type { BatchCodec, Compression } from '../../compression.js'
import { DriverError } from '../driverError.js'
import type { DriverSettings, OutgoingBatch } from '../driver.js'
import { encodeProduce, produceVersions } from '../produceRequest.js'
import { createCluster } from './cluster.js'
import { answerIn, errorOfCode, toDriverError } from './platformaticErrors.js'

export interface PlatformaticProducer {
  connect(): Promise<void>
  send(batch: OutgoingBatch): Promise<void>
  /** Breaks connections; what is under way fails. */
  end(): void
}

type ProduceAnswer = produceV7.ProduceResponse

const produceKey = 0
/** The body is written by us, in one piece: the client's writer makes a dozen small buffers of every record. */
const produceApi: API<[Buffer], ProduceAnswer> = createAPI<[Buffer], ProduceAnswer>(
  produceKey,
  produceVersions.most,
  (body: Buffer) => Writer.create().append(body),
  produceV7.parseResponse,
  false,
  false,
)

/** Sends one batch to the leader of one partition, once: repeating is ours, and nothing is done behind our back. */
export function createPlatformaticProducer(settings: DriverSettings): PlatformaticProducer {
  const cluster = createCluster(settings)
  const codec = codecFor(settings.compression)

  async function send(batch: OutgoingBatch): Promise<void> {
    const { topic, partition } = batch
    const facts = (await cluster.knownTopic(topic)).partitions.get(partition)
    if (facts === undefined || facts.leader < 0) {
      const message = `${topic}[${partition}] has no leader`
      throw new DriverError({ kind: 'unavailable', message, written: 'no' })
    }
    const link = cluster.linkTo(facts.leader, 'send')
    await link.opened
    // The broker's own wait for its replicas ends first, and says so.
    const body = await encodeProduce(batch, Math.ceil(settings.requestTimeoutMs * 0.8), codec)
    const answer = await link.request(produceApi, [body]).catch((error: unknown) => answerIn<ProduceAnswer>(error))
    confirm(answer, { topic, partition })
  }

  return {
    connect: () => cluster.connect(),
    async send(batch) {
      try {
        await send(batch)
      } catch (error) {
        // Whatever it was, the leader may be another one by now.
        cluster.forgetTopic(batch.topic)
        throw toDriverError(error, `Sending to ${batch.topic}[${batch.partition}]`)
      }
    },
    end: () => cluster.end(),
  }
}

/** Only an answer about this partition, without an error, is a confirmation. */
function confirm(
  { responses }: ProduceAnswer,
  { topic, partition }: { readonly topic: string; readonly partition: number },
): void {
  const doing = `Sending to ${topic}[${partition}]`
  const told = responses.find(({ name }) => name === topic)?.partitionResponses.find(({ index }) => index === partition)
  if (told === undefined) throw new DriverError({ kind: 'unavailable', message: `${doing}: no answer about it` })
  if (told.errorCode !== 0) throw errorOfCode(told.errorCode, doing, told.errorMessage)
}

/** The packages that we know work off the event loop; without them, the client brings what it needs. */
function codecFor(compression: Compression): Pick<BatchCodec, 'number' | 'compress'> | undefined {
  if (compression === 'none') return undefined
  const { bitmask, compressSync } = compressionsAlgorithms[compression]
  return codecOf(compression) ?? { number: bitmask, compress: (bytes) => Promise.resolve(compressSync(bytes)) }
}
