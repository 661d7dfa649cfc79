import { fileURLToPath } from 'node:url'
import { binaryMode, structuredMode } from '@posthorn/core'
import { message as amqpMessage, string_to_uuid, types } from 'rhea'
import type { Message } from 'rhea'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runOk } from '../stack/src/run.js'
import { bytesOf, connectAmqp10, dataSection } from './amqp10.js'
import type { Amqp10Client } from './amqp10.js'
import { interopRabbit } from './interopRabbit.js'
import {
  adoptText,
  everyAttribute,
  everyAttributeAsText,
  everyAttributeRead,
  orderType,
  startReader,
  startWriter,
} from './orders.js'
import { bindQueue, group } from './rabbit.js'

const { url, transport, newDestination, queues } = interopRabbit()
let client: Amqp10Client

beforeAll(async () => {
  client = await connectAmqp10(url())
})
afterAll(() => client?.[Symbol.asyncDispose]())

async function foreignQueue(destination: string): Promise<string> {
  const queue = await bindQueue(url(), destination)
  queues.push(queue)
  return `/queues/${queue}`
}

describe('an AMQP 1.0 client reads what a service publishes', () => {
  test('in binary mode: the CloudEvent of the AMQP binding, attributes as application properties', async () => {
    const destination = newDestination()
    const { service, contract } = await startWriter(transport(), destination, binaryMode())
    const queue = await foreignQueue(destination)
    await service.publish(contract, { orderId: 'ö-1' }, everyAttribute)
    const read = await client.read(queue)
    const attributes = Object.entries(read.application_properties as Record<string, unknown>)
      .filter(([name]) => name.startsWith('cloudEvents_'))
      .map(([name, value]) => [name.slice('cloudEvents_'.length), value])
    expect(Object.fromEntries(attributes)).toEqual(everyAttributeAsText)
    expect(read.content_type).toBe('application/json')
    expect(read.message_id).toBe(everyAttribute.id)
    expect(read.durable).toBe(true)
    expect(JSON.parse(bytesOf(read).toString('utf8'))).toEqual({ orderId: 'ö-1' })
    await service.stop()
  })

  test('in structured mode: the whole event in one data section', async () => {
    const destination = newDestination()
    const { service, contract } = await startWriter(transport(), destination, structuredMode())
    const queue = await foreignQueue(destination)
    await service.publish(contract, { orderId: 'ö-1' }, everyAttribute)
    const read = await client.read(queue)
    expect(read.content_type).toMatch(/^application\/cloudevents\+json/)
    expect(JSON.parse(bytesOf(read).toString('utf8'))).toEqual({ ...everyAttributeRead, data: { orderId: 'ö-1' } })
    await service.stop()
  })
})

/** Runs one of the programs that the docs show. */
async function runRhea(program: 'publishEvent.mjs' | 'readEvent.mjs', ...args: string[]): Promise<string> {
  const { hostname, port } = new URL(url())
  const path = fileURLToPath(new URL(`rhea/${program}`, import.meta.url))
  return (await runOk(process.execPath, [path, hostname, port, ...args], { timeoutMs: 60_000 })).trim()
}

describe('the programs of the docs', () => {
  test.each([
    ['structured', structuredMode(), everyAttributeRead],
    ['binary', binaryMode(), everyAttributeAsText],
  ] as const)('read an event in %s mode', async (_, format, expected) => {
    const destination = newDestination()
    const { service, contract } = await startWriter(transport(), destination, format)
    await foreignQueue(destination)
    await service.publish(contract, { orderId: 'ö-1' }, everyAttribute)
    const event = JSON.parse(await runRhea('readEvent.mjs', `${destination}-foreign`)) as object
    expect(event).toMatchObject({ ...expected, data: { orderId: 'ö-1' } })
    await service.stop()
  })

  test('publish an event that a service handles, and say when nobody takes it', async () => {
    const destination = newDestination()
    const reader = await startReader({ transport: transport(), destination })
    const id = await runRhea('publishEvent.mjs', destination, 'o-ü')
    await reader.ended(1)
    expect(reader.events).toMatchObject([{ id, source: '/amqp10/checkout', data: { orderId: 'o-ü' } }])
    const deaf = newDestination()
    const { service } = await startWriter(transport(), deaf)
    await expect(runRhea('publishEvent.mjs', deaf, 'o-1')).rejects.toThrow('not published: released')
    await Promise.all([reader.stop(), service.stop()])
  })
})

const attributes = { specversion: '1.0', id: 'rhea-1', source: '/rhea', type: orderType }
const order = { orderId: 'ö-\u{1f40d}' }
const time = '2026-02-03T04:05:06.000Z'

const withPrefix = (prefix: string, named: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(named).map(([name, value]) => [prefix + name, value]))

const binary = (named: Record<string, unknown>, prefix = 'cloudEvents_'): Partial<Message> => ({
  content_type: 'application/json',
  application_properties: withPrefix(prefix, named),
})
const structured = JSON.stringify({ ...attributes, time, data: order })
const structuredType = 'application/cloudevents+json'

/** What is sent, and how its envelope is read beyond `attributes` and `data`. */
const accepted: readonly (readonly [string, Message, Record<string, unknown>])[] = [
  [
    'binary, the prefix cloudEvents_',
    { ...binary({ ...attributes, time }), body: dataSection(JSON.stringify(order)) },
    { time, data: order, datacontenttype: 'application/json' },
  ],
  [
    'binary, the prefix cloudEvents: and attributes of AMQP types',
    {
      ...binary(
        {
          ...attributes,
          time: types.wrap_timestamp(Date.parse(time)),
          weight: types.wrap_long(3),
          sampled: true,
          tenant: types.wrap_symbol('blue'),
        },
        'cloudEvents:',
      ),
      message_id: types.wrap_ulong(7),
      body: dataSection(JSON.stringify(order)),
    },
    { time, weight: '3', sampled: 'true', tenant: 'blue', data: order },
  ],
  [
    'binary, data as an AMQP text and an id that is a UUID',
    {
      ...binary(attributes),
      message_id: string_to_uuid('dcced180-8462-4449-b9a3-6afd8dc59f14'),
      body: JSON.stringify(order),
    },
    { data: order },
  ],
  [
    'binary, data in two sections',
    { ...binary(attributes), body: amqpMessage.data_sections([Buffer.from('{"orderId":'), Buffer.from('"o-2"}')]) },
    { data: { orderId: 'o-2' } },
  ],
  [
    'structured, in a data section',
    { content_type: structuredType, body: dataSection(structured) },
    { time, data: order },
  ],
  ['structured, as an AMQP text', { content_type: structuredType, body: structured }, { time, data: order }],
  [
    'structured, as an AMQP binary of more than 255 bytes',
    { content_type: structuredType, body: Buffer.from(structured.padEnd(300)) },
    { time, data: order },
  ],
]

describe('a service handles what an AMQP 1.0 client publishes', () => {
  test.each(accepted)('%s', async (_, message, expected) => {
    const destination = newDestination()
    const reader = await startReader({ transport: transport(), destination })
    expect(await client.send(`/exchanges/${destination}/${orderType}`, message)).toBe('accepted')
    expect(await client.send(`/queues/${destination}.${group}`, message)).toBe('accepted')
    await reader.ended(2)
    expect(reader.deadLetters).toEqual([])
    expect(reader.events).toHaveLength(2)
    for (const event of reader.events) expect(event).toMatchObject({ ...attributes, ...expected })
    await reader.stop()
  })

  test('an event without data has none, whether its body is absent or null', async () => {
    const destination = newDestination()
    const reader = await startReader({ transport: transport(), destination, consumer: { validation: 'off' } })
    for (const body of [undefined, null]) {
      await client.send(`/queues/${destination}.${group}`, { ...binary(attributes), body })
    }
    await reader.ended(2)
    expect(reader.deadLetters).toEqual([])
    for (const event of reader.events) {
      expect(event).toMatchObject(attributes)
      expect(event.data).toBeUndefined()
    }
    await reader.stop()
  })

  test('a plain text is adopted where the group says so', async () => {
    const destination = newDestination()
    const reader = await startReader({ transport: transport(), destination, consumer: { foreign: adoptText } })
    await client.send(`/queues/${destination}.${group}`, { body: 'plain text' })
    await reader.ended(1)
    expect(reader.events).toMatchObject([{ data: { orderId: 'plain text' } }])
    await reader.stop()
  })

  test('a message for a type that no group handles is released: nobody took it', async () => {
    const destination = newDestination()
    const reader = await startReader({ transport: transport(), destination })
    const sent = client.send(`/exchanges/${destination}/com.example.unheard.v1`, { body: dataSection('{}') })
    expect(await sent).toBe('released')
    await reader.stop()
  })

  test('a body of an AMQP map is dead-lettered, and the client reads why', async () => {
    const destination = newDestination()
    const reader = await startReader({ transport: transport(), destination, keepDeadLetters: true })
    await client.send(`/queues/${destination}.${group}`, { ...binary(attributes), body: order })
    const letter = await client.read(`/queues/${destination}.${group}.dead`)
    expect(letter.application_properties).toMatchObject({
      'posthorn-reason': 'undecodable',
      'posthorn-group': group,
      cloudEvents_id: attributes.id,
    })
    // As RabbitMQ hands it to every client of AMQP 0-9-1: the encoded section.
    expect(bytesOf(letter).subarray(0, 3)).toEqual(Buffer.from([0x00, 0x53, 0x77]))
    expect(reader.events).toEqual([])
    await reader.stop()
  })
})
