import { createKafka } from '@posthorn/kafka'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { acquireKafka } from '../stack/src/index.js'
import type { Kafka } from '../stack/src/index.js'
import { consoleTools } from './kafkaConsole.js'
import type { Codec } from './kafkaConsole.js'
import { structuredRecord } from './kafkaRecord.js'
import type { ForeignClient } from './kafkaRecord.js'
import { installKcat, kcat } from './kcat.js'
import { orderType, startReader, uniqueDestination } from './orders.js'

let kafka: Kafka

beforeAll(async () => {
  ;[kafka] = await Promise.all([acquireKafka({ fresh: true }), installKcat()])
})

afterAll(() => kafka?.release())

const writers: Readonly<Record<string, (compression: Codec) => ForeignClient>> = {
  'Java’s client': (compression) => consoleTools(kafka, compression),
  librdkafka: (compression) => kcat(kafka.brokers, { compression }),
}
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
const hasZstd = major > 22 || (major === 22 && minor >= 15)
const codecs: readonly Codec[] = ['gzip', 'snappy', 'lz4', ...(hasZstd ? (['zstd'] as const) : [])]
const pairs = (['kafkajs', 'platformatic'] as const).flatMap((driver) =>
  codecs.map((codec): [typeof driver, Codec] => [driver, codec]),
)
const event = (id: string): object => ({
  specversion: '1.0',
  id,
  source: '/foreign',
  type: orderType,
  // Long enough that a codec makes it shorter: what it does not, clients send as it is.
  data: { orderId: id.repeat(500) },
})

describe.each(pairs)('with the driver %s, events in batches that are compressed with %s', (driver, codec) => {
  test.each(Object.keys(writers))('by %s are handled', async (writer) => {
    const destination = uniqueDestination()
    const reader = await startReader({ transport: createKafka({ brokers: kafka.brokers, driver }), destination })
    const ids = ['a', 'b', 'c']
    await writers[writer]!(codec).write(destination, ...ids.map((id) => structuredRecord(event(id), 'k')))
    await reader.ended(ids.length)
    expect(reader.events).toEqual(ids.map(event))
    await reader.stop()
  })
})
