import type { Kafka } from '../stack/src/index.js'
import { inOrder } from './kafkaRecord.js'
import type { ForeignClient, Header, KafkaRecord, PlacedRecord } from './kafkaRecord.js'

/** Nothing that the tests write contains these. */
const field = '\u001f'
const record = '\u001e'
const header = '\u001d'
const nothing = 'NULL'
const timeoutMs = 90_000

/** How a client compresses its batches. */
export type Codec = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

/** Kafka’s own console producer and consumer, from the jars of a broker that this stack runs. */
export function consoleTools(kafka: Kafka, compression: Codec = 'none'): ForeignClient {
  const isOld = kafka.version.startsWith('3.')
  const producer = isOld ? 'kafka.tools.ConsoleProducer' : 'org.apache.kafka.tools.ConsoleProducer'
  const consumer = 'org.apache.kafka.tools.consumer.ConsoleConsumer'

  async function tool(mainClass: string, args: readonly string[], input?: string): Promise<string> {
    const common = ['--bootstrap-server', kafka.brokers[0]!]
    const said = await kafka.control!.tool(mainClass, [...common, ...args], {
      timeoutMs,
      ...(input === undefined ? {} : { input }),
    })
    if (said.code !== 0 || /ERROR|Exception/.test(said.stderr)) throw new Error(`${mainClass}: ${said.stderr}`)
    return said.stdout
  }

  return {
    async write(topic, ...records) {
      const property = isOld ? '--property' : '--reader-property'
      const settings = [
        'parse.key=true',
        'parse.headers=true',
        `key.separator=${field}`,
        `headers.delimiter=${field}`,
        `headers.separator=${header}`,
        `null.marker=${nothing}`,
      ]
      const lines = records.map(lineOf)
      const args = ['--topic', topic, '--compression-codec', compression]
      args.push(...settings.flatMap((setting) => [property, setting]))
      await tool(producer, args, lines.join(''))
    },
    async read(topic, count) {
      const property = isOld ? '--property' : '--formatter-property'
      const settings = [
        ...['partition', 'offset', 'headers', 'key'].map((part) => `print.${part}=true`),
        `key.separator=${field}`,
        `headers.separator=${header}`,
        `line.separator=${record}`,
        `null.literal=${nothing}`,
      ]
      const args = ['--topic', topic, '--from-beginning', '--max-messages', String(count)]
      const limits = ['--timeout-ms', String(timeoutMs / 2)]
      const text = await tool(consumer, [...args, ...limits, ...settings.flatMap((setting) => [property, setting])])
      return inOrder(text.split(record).slice(0, -1).map(recordOf))
    },
  }
}

function lineOf({ key, value, headers }: KafkaRecord): string {
  const fields = headers.map(([name, text]) => `${name}:${text ?? nothing}`)
  const parts = [fields.length === 0 ? nothing : fields.join(header), key ?? nothing, value ?? nothing]
  return `${parts.join(field)}\n`
}

const orNull = (text: string | undefined): string | null => (text === undefined || text === nothing ? null : text)

/** `Partition:0`, `Offset:3`, the headers or `NO_HEADERS`, key, value. */
function recordOf(line: string): PlacedRecord {
  const [partition = '', offset = '', headers = '', key, value] = line.split(field)
  return {
    partition: Number(partition.split(':')[1]),
    offset: Number(offset.split(':')[1]),
    headers: headers === 'NO_HEADERS' ? [] : headers.split(header).map(headerOf),
    key: orNull(key),
    value: orNull(value),
  }
}

function headerOf(text: string): Header {
  const colon = text.indexOf(':')
  return [text.slice(0, colon), orNull(text.slice(colon + 1))]
}
