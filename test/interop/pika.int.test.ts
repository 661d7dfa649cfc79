import { binaryMode, plainJson, structuredMode } from '@posthorn/core'
import type { WireFormat } from '@posthorn/core'
import { describe, expect, test } from 'vitest'
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
import { pikaPublish, pikaRead, runScript, startScript } from './pika.js'
import { bindQueue, group } from './rabbit.js'

const { url, transport, newDestination, queues } = interopRabbit()

const structuredType = 'application/cloudevents+json'
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

const modes: readonly (readonly [string, WireFormat])[] = [
  ['structured', structuredMode()],
  ['binary', binaryMode()],
]

describe('CloudEvents between Python’s pika and a service', () => {
  test.each(['structured', 'binary'])('one that pika publishes in %s mode is handled', async (mode) => {
    const destination = newDestination()
    const reader = await startReader({ transport: transport(), destination })
    const [id] = await runScript('publish_event.py', [url(), destination, mode, 'o-ü-\u{1f40d}'])
    await reader.ended(1)
    expect(reader.deadLetters).toEqual([])
    expect(reader.events[0]).toMatchObject({
      specversion: '1.0',
      id,
      source: '/python/checkout',
      type: orderType,
      time: expect.stringMatching(/^\d{4}-.*\+00:00$/) as string,
      data: { orderId: 'o-ü-\u{1f40d}' },
    })
    await reader.stop()
  })

  test.each(modes)('pika reads one that a service publishes in %s mode, with every attribute', async (mode, format) => {
    const destination = newDestination()
    const queue = `${destination}-foreign`
    queues.push(queue)
    const { service, contract } = await startWriter(transport(), destination, format)
    const python = await startScript('read_events.py', [url(), destination, queue, '1'])
    await python.printed(1)
    expect(await service.publish(contract, { orderId: 'ö-1' }, everyAttribute)).toMatchObject({ routed: true })
    const [bound, event = ''] = await python.lines
    expect(bound).toBe('bound')
    const attributes = mode === 'structured' ? everyAttributeRead : everyAttributeAsText
    expect(JSON.parse(event)).toMatchObject({ ...attributes, data: { orderId: 'ö-1' } })
    await service.stop()
  })

  test('Python’s numbers, booleans and dates in headers become attributes', async () => {
    const destination = newDestination()
    const reader = await startReader({ transport: transport(), destination })
    const attributes = { specversion: '1.0', id: 'typed-1', source: '/python', type: orderType }
    const typed = { ...attributes, time: { date: 1_795_259_141 }, weight: 3, sampled: true }
    await pikaPublish(url(), {
      exchange: destination,
      routingKey: orderType,
      body: json({ orderId: 'o-1' }),
      contentType: 'application/json',
      headers: Object.fromEntries(Object.entries(typed).map(([name, value]) => [`cloudEvents_${name}`, value])),
    })
    await reader.ended(1)
    expect(reader.events[0]).toMatchObject({
      ...attributes,
      time: '2026-11-21T11:05:41.000Z',
      weight: '3',
      sampled: 'true',
      data: { orderId: 'o-1' },
    })
    await reader.stop()
  })
})

describe('messages of pika that are no CloudEvents', () => {
  test('are dead-lettered with their bytes, from the exchange and from the default exchange', async () => {
    const destination = newDestination()
    const reader = await startReader({ transport: transport(), destination })
    const bodies = ['hello from python \u{1f40d}', '{"not":"an envelope"}']
    await pikaPublish(
      url(),
      { exchange: '', routingKey: `${destination}.${group}`, body: Buffer.from(bodies[0]!) },
      { exchange: destination, routingKey: orderType, body: Buffer.from(bodies[1]!) },
    )
    await reader.ended(2)
    const read = reader.deadLetters.map(({ reason, body }) => [reason, Buffer.from(body ?? []).toString('utf8')])
    expect(new Set(read.map(([, body]) => body))).toEqual(new Set(bodies))
    expect(read.map(([reason]) => reason)).toEqual(['foreign', 'foreign'])
    await reader.stop()
  })

  test('are skipped and counted, or adopted, when the group says so', async () => {
    const [skipping, adopting] = [newDestination(), newDestination()]
    const skipper = await startReader({
      transport: transport(),
      destination: skipping,
      consumer: { foreign: 'skip' },
    })
    const adopter = await startReader({
      transport: transport(),
      destination: adopting,
      consumer: { foreign: adoptText },
    })
    const body = Buffer.from('plain text')
    await pikaPublish(
      url(),
      { exchange: '', routingKey: `${skipping}.${group}`, body },
      { exchange: '', routingKey: `${adopting}.${group}`, body },
    )
    await Promise.all([skipper.ended(1), adopter.ended(1)])
    expect(skipper.skipped()).toBe(1)
    expect(adopter.events).toMatchObject([{ id: 'adopted-plain text', data: { orderId: 'plain text' } }])
    await Promise.all([skipper.stop(), adopter.stop()])
  })

  test('are plain JSON in both directions, where the destination says so', async () => {
    const destination = newDestination()
    const wireFormat = plainJson({
      attributes: (data) => ({ id: `legacy-${(data as { no?: number }).no}`, source: '/legacy', type: orderType }),
    })
    const reader = await startReader({ transport: transport(), destination, wireFormat })
    const queue = await bindQueue(url(), destination)
    queues.push(queue)
    const message = { exchange: destination, routingKey: orderType, body: json({ orderId: 'o-1', no: 1 }) }
    await pikaPublish(url(), message, { ...message, body: json({ orderId: 'o-2', no: 2 }), contentType: 'text/json' })
    await reader.ended(2)
    const byId = reader.events.toSorted((a, b) => (a.id < b.id ? -1 : 1))
    expect(byId).toMatchObject([
      { id: 'legacy-1', data: { orderId: 'o-1' } },
      { id: 'legacy-2', data: { orderId: 'o-2' } },
    ])

    const { service, contract } = await startWriter(transport(), destination, wireFormat)
    await service.publish(contract, { orderId: 'o-3' })
    const [, , ours] = await pikaRead(url(), queue, 3)
    expect(ours).toMatchObject({ contentType: 'application/json', headers: {} })
    expect(ours!.body.toString()).toBe('{"orderId":"o-3"}')
    await Promise.all([reader.stop(), service.stop()])
  })
})

describe('what pika does wrong', () => {
  const event = { specversion: '1.0', id: 'bad-1', source: '/python', type: orderType }

  test('lands among the dead letters, where pika finds its own bytes and the reason', async () => {
    const destination = newDestination()
    const bad = new Map<string, { readonly contentType: string; readonly body: Buffer }>([
      ['undecodable', { contentType: structuredType, body: Buffer.from('{"specversion": "1.0", ') }],
      ['invalid', { contentType: structuredType, body: json({ ...event, data: { orderId: 7 } }) }],
      ['foreign', { contentType: 'text/plain', body: Buffer.from([0xff, 0x00, 0xfe, 0x0a]) }],
    ])
    const reader = await startReader({ transport: transport(), destination, keepDeadLetters: true })
    const messages = [...bad.values()].map((one) => ({ ...one, exchange: destination, routingKey: orderType }))
    await pikaPublish(url(), ...messages)
    const letters = await pikaRead(url(), `${destination}.${group}.dead`, bad.size)
    const found = letters.map(({ body, contentType, headers }) => [headers!['posthorn-reason'], { contentType, body }])
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(bad))
    for (const { headers } of letters) {
      expect(headers).toMatchObject({ 'posthorn-group': group, 'posthorn-attempt': '0' })
    }
    expect(reader.events).toEqual([])
    await reader.stop()
  })

  test('is tried again as often as the ladder says, and then read by pika as it was written', async () => {
    const destination = newDestination()
    let calls = 0
    const reader = await startReader({
      transport: transport(),
      destination,
      keepDeadLetters: true,
      consumer: {
        middleware: [
          () => {
            calls += 1
            throw new Error('this order cannot be handled')
          },
        ],
      },
    })
    const body = Buffer.from(JSON.stringify({ ...event, data: { orderId: 'o-1' } }, null, 3)) // Spaces of its own.
    const headers = { 'x-tenant': 'blue', origin: 'python' }
    await pikaPublish(url(), {
      exchange: destination,
      routingKey: orderType,
      contentType: structuredType,
      body,
      headers,
    })
    const [letter] = await pikaRead(url(), `${destination}.${group}.dead`, 1)
    expect(calls).toBe(3)
    expect(letter!.body).toEqual(body)
    expect(letter!.contentType).toBe(structuredType)
    expect(letter!.headers).toMatchObject({
      ...headers,
      'posthorn-reason': 'retriesExhausted',
      'posthorn-attempt': '3',
      'posthorn-error-message': 'this order cannot be handled',
    })
    await reader.stop()
  })
})
