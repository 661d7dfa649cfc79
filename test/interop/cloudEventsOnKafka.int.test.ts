import { binaryMode, structuredMode } from '@posthorn/core'
import type { Transport, WireFormat } from '@posthorn/core'
import { resourceNames } from '@posthorn/core/adapter'
import { createKafka } from '@posthorn/kafka'
import { CloudEvent, Kafka as CloudEventsOnKafka } from 'cloudevents'
import type { KafkaMessage as SdkMessage } from 'cloudevents'
import { Kafka as KafkaClient, logLevel } from 'kafkajs'
import type { KafkaMessage, Message } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { acquireKafka } from '../stack/src/index.js'
import type { Kafka } from '../stack/src/index.js'
import { headersAsText, sdkOrder, sdkOrderRead, validated } from './cloudEventsSdk.js'
import {
  everyAttribute,
  everyAttributeAsText,
  everyAttributeRead,
  forgottenType,
  startReader,
  startWriter,
  uniqueDestination,
} from './orders.js'
import { group, rungMs } from './rabbit.js'

let kafka: Kafka

beforeAll(async () => {
  kafka = await acquireKafka({ fresh: true })
})

afterAll(() => kafka?.release())

const transport = (): Transport => createKafka({ brokers: kafka.brokers })
const client = (): KafkaClient =>
  new KafkaClient({ clientId: 'foreign', brokers: kafka.brokers, logLevel: logLevel.NOTHING })

/** The first record of a topic, as kafkajs gives it. */
async function firstRecord(topic: string): Promise<KafkaMessage> {
  const consumer = client().consumer({ groupId: `${topic}-foreign` })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const record = await new Promise<KafkaMessage>((resolve, reject) => {
    consumer.run({ eachMessage: async ({ message }) => resolve(message) }).catch(reject)
  })
  await consumer.disconnect()
  return record
}

/** kafkajs gives bytes where the package wants text. */
function toSdk({ key, value, headers }: KafkaMessage): SdkMessage {
  const text = Object.fromEntries(Object.entries(headers ?? {}).map(([name, bytes]) => [name, String(bytes)]))
  const body = value === null ? null : String(value)
  return { key: String(key), value: body, headers: text, body }
}

/** What the package makes, as kafkajs takes it. */
function toKafkajs(message: SdkMessage): Message {
  const { key, value, headers } = message as unknown as { key?: string; value: unknown; headers: object }
  const body = value === undefined ? null : typeof value === 'string' ? value : JSON.stringify(value)
  return { key: key ?? null, value: body, headers: headersAsText(headers) }
}

async function send(topic: string, message: SdkMessage): Promise<void> {
  const producer = client().producer()
  await producer.connect()
  await producer.send({ topic, messages: [toKafkajs(message)] })
  await producer.disconnect()
}

describe('the package cloudevents on Kafka', () => {
  const modes: readonly (readonly [string, WireFormat, Record<string, unknown>])[] = [
    ['structured', structuredMode(), everyAttributeRead],
    ['binary', binaryMode(), { ...everyAttributeAsText, datacontenttype: 'application/json' }],
  ]

  test.each(modes)('reads what a service publishes in %s mode, and finds it valid', async (_, format, attributes) => {
    const destination = uniqueDestination()
    const { service, contract } = await startWriter(transport(), destination, format)
    await service.publish(contract, { orderId: 'ö-1' }, everyAttribute)
    const event = CloudEventsOnKafka.toEvent(toSdk(await firstRecord(destination)))
    expect(validated(event)).toEqual({ ...attributes, data: { orderId: 'ö-1' } })
    await service.stop()
  })

  const sent = [
    ['structured', () => CloudEventsOnKafka.structured(sdkOrder()), sdkOrderRead],
    ['binary', () => CloudEventsOnKafka.binary(sdkOrder()), { ...sdkOrderRead, weight: '3', sampled: 'true' }],
  ] as const

  test.each(sent)('makes in %s mode what a service handles', async (_, make, expected) => {
    const destination = uniqueDestination()
    const reader = await startReader({ transport: transport(), destination })
    await send(destination, make())
    await reader.ended(1)
    expect(reader.deadLetters).toEqual([])
    expect(reader.events).toEqual([expected])
    await reader.stop()
  })

  test.each(sent)('reads its own event in %s mode from the retry topic and the dead letters', async (_, make) => {
    const destination = uniqueDestination()
    const middleware = [
      (): never => {
        throw new Error('this order cannot be handled')
      },
    ]
    const reader = await startReader({
      transport: transport(),
      destination,
      keepDeadLetters: true,
      consumer: { middleware },
    })
    await send(destination, make())
    const asSent = validated(CloudEventsOnKafka.toEvent(toSdk(await firstRecord(destination))))
    for (const topic of [resourceNames.retry(destination, group, rungMs), resourceNames.dead(destination, group)]) {
      expect(validated(CloudEventsOnKafka.toEvent(toSdk(await firstRecord(topic))))).toEqual(asSent)
    }
    await reader.stop()
  })

  test('makes an event without data, which is handled; one of ours is a tombstone, which it does not read', async () => {
    const destination = uniqueDestination()
    const reader = await startReader({ transport: transport(), destination })
    await send(destination, CloudEventsOnKafka.binary(new CloudEvent({ id: 'a', source: '/sdk', type: forgottenType })))
    await reader.ended(1)
    expect(reader.events).toMatchObject([{ id: 'a', type: forgottenType }])
    expect(reader.events[0]).not.toHaveProperty('data')
    await reader.stop()

    const ours = uniqueDestination()
    const { service, forgotten } = await startWriter(transport(), ours, binaryMode())
    await service.publish(forgotten, undefined, { id: 'b' })
    const record = toSdk(await firstRecord(ours))
    expect(record.value).toBeNull()
    expect(() => CloudEventsOnKafka.toEvent(record)).toThrow('Value is null or undefined')
    expect(record.headers['ce_id']).toBe('b')
    await service.stop()
  })
})
