import { binaryMode, structuredMode } from '@posthorn/core'
import type { Transport, WireFormat } from '@posthorn/core'
import { resourceNames } from '@posthorn/core/adapter'
import { createKafka } from '@posthorn/kafka'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { acquireKafka } from '../stack/src/index.js'
import type { Kafka } from '../stack/src/index.js'
import { consoleTools } from './kafkaConsole.js'
import { binaryRecord, structuredRecord, valueOf } from './kafkaRecord.js'
import type { ForeignClient, KafkaRecord, PlacedRecord } from './kafkaRecord.js'
import { installKcat, kcat } from './kcat.js'
import {
  adoptText,
  everyAttribute,
  everyAttributeAsText,
  everyAttributeRead,
  forgottenType,
  orderType,
  startReader,
  startWriter,
  uniqueDestination,
} from './orders.js'
import { group, rungMs } from './rabbit.js'

interface Pair {
  readonly driver: 'kafkajs' | 'platformatic'
  readonly make: (kafka: Kafka) => ForeignClient
}

const clients: Readonly<Record<string, Pair>> = {
  'the console tools': { driver: 'kafkajs', make: consoleTools },
  kcat: { driver: 'kafkajs', make: ({ brokers }) => kcat(brokers) },
  'kcat, with our second driver,': { driver: 'platformatic', make: ({ brokers }) => kcat(brokers) },
}
const attributes = { specversion: '1.0', source: '/foreign', type: orderType }
const tombstone = { ...attributes, type: forgottenType }
const plain = (value: string | null): KafkaRecord => ({ key: 'k-ü', value, headers: [['origin', 'foreign']] })

/** What we add to a copy; the rest is the record as it was. */
const withoutOurs = ({ key, value, headers }: PlacedRecord): KafkaRecord => ({
  key,
  value,
  headers: headers.filter(([name]) => !name.startsWith('posthorn-')),
})

const byId = <T extends { readonly id: string }>(events: readonly T[]): readonly T[] =>
  events.toSorted((a, b) => (a.id < b.id ? -1 : 1))

describe.each(['4.3', '3.9'] as const)('on Kafka %s', (version) => {
  let kafka: Kafka
  const transportOn = (driver: Pair['driver']): Transport => createKafka({ brokers: kafka.brokers, driver })

  beforeAll(async () => {
    // The console tools come with the jars of a broker of our own.
    ;[kafka] = await Promise.all([acquireKafka({ version, fresh: true }), installKcat()])
  })

  afterAll(() => kafka?.release())

  describe.each(Object.keys(clients))('%s', (name) => {
    const { driver, make } = clients[name]!
    const client = (): ForeignClient => make(kafka)
    const transport = (): Transport => transportOn(driver)

    test('write events that are handled: structured, binary, without data, with and without a key', async () => {
      const destination = uniqueDestination()
      const reader = await startReader({ transport: transport(), destination })
      await client().write(
        destination,
        structuredRecord({ ...attributes, id: 'a', data: { orderId: 'ö-1' } }, 'o-1'),
        binaryRecord({ ...attributes, id: 'b' }, { key: 'o-1', value: '{"orderId":"ö-2"}' }),
        binaryRecord({ ...attributes, id: 'c' }, { key: null, value: '{"orderId":"ö-3"}' }),
        binaryRecord({ ...tombstone, id: 'd' }, { key: 'o-1', value: null }),
        binaryRecord({ ...tombstone, id: 'e' }, { key: 'o-1', value: '' }),
      )
      await reader.ended(5)
      expect(reader.deadLetters).toEqual([])
      const binary = { ...attributes, datacontenttype: 'application/json' }
      expect(byId(reader.events)).toEqual([
        { ...attributes, id: 'a', data: { orderId: 'ö-1' } },
        { ...binary, id: 'b', data: { orderId: 'ö-2' } },
        { ...binary, id: 'c', data: { orderId: 'ö-3' } },
        { ...tombstone, id: 'd', datacontenttype: 'application/json' },
        { ...tombstone, id: 'e', datacontenttype: 'application/json' },
      ])
      await reader.stop()
    })

    test('write headers of which the first of a name counts, and one without a value does not', async () => {
      const destination = uniqueDestination()
      const reader = await startReader({ transport: transport(), destination })
      const { headers, ...event } = structuredRecord({ ...attributes, id: 'a', data: { orderId: 'o-1' } }, 'o-1')
      const given = [...headers, ['tag', 'one'], ['tag', 'two'], ['none', null], ['empty', '']] as const
      await client().write(destination, { ...event, headers: given })
      await reader.ended(1)
      expect({ ...reader.headers[0] }).toEqual({ tag: 'one', empty: '' })
      await reader.stop()
    })

    const modes: readonly (readonly [string, WireFormat])[] = [
      ['structured', structuredMode()],
      ['binary', binaryMode()],
    ]

    test.each(modes)('read what a service publishes in %s mode, with every attribute', async (mode, format) => {
      const destination = uniqueDestination()
      const { service, contract, forgotten } = await startWriter(transport(), destination, format)
      await service.publish(contract, { orderId: 'ö-1' }, { ...everyAttribute, headers: { tenant: 'blau ü' } })
      await service.publish(forgotten, undefined, { id: 'gone-1', partitionKey: everyAttribute.partitionKey })
      const [placed, gone] = await client().read(destination, 2)
      expect(placed).toMatchObject({ key: 'o-1', offset: 0 })
      expect(valueOf(placed!, 'tenant')).toBe('blau ü')
      const read = Object.fromEntries(placed!.headers)
      if (mode === 'structured') {
        expect(read).toEqual({ tenant: 'blau ü', 'content-type': 'application/cloudevents+json; charset=UTF-8' })
        expect(JSON.parse(placed!.value!)).toEqual({ ...everyAttributeRead, data: { orderId: 'ö-1' } })
        expect(JSON.parse(gone!.value!)).toMatchObject({ id: 'gone-1', type: forgottenType })
      } else {
        const expected = Object.entries(everyAttributeAsText).map(([attribute, value]) => [`ce_${attribute}`, value])
        const others = { tenant: 'blau ü', 'content-type': 'application/json' }
        expect(read).toEqual({ ...Object.fromEntries(expected), ...others })
        expect(placed!.value).toBe('{"orderId":"ö-1"}')
        expect(gone).toMatchObject({ key: 'o-1', value: null, partition: placed!.partition, offset: 1 })
        expect(valueOf(gone!, 'ce_id')).toBe('gone-1')
      }
      await service.stop()
    })

    test('find what they wrote among the dead letters: text, no value and an empty one are three things', async () => {
      const destination = uniqueDestination()
      const reader = await startReader({ transport: transport(), destination, keepDeadLetters: true })
      const written = [plain('a line of text ü'), plain(null), plain('')]
      await client().write(destination, ...written)
      const letters = await client().read(resourceNames.dead(destination, group), written.length)
      expect(letters.map(withoutOurs)).toEqual(written)
      expect(letters.map((letter) => valueOf(letter, 'posthorn-reason'))).toEqual(['foreign', 'foreign', 'foreign'])
      expect(reader.events).toEqual([])
      await reader.stop()
    })

    test('find their event as they wrote it in the retry topic and among the dead letters, with what happened', async () => {
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
      const event = JSON.stringify({ ...attributes, id: 'a', data: { orderId: 'ö-1' } }).replaceAll(',', ' , ')
      const headers = [
        ['content-type', 'application/cloudevents+json'],
        ['tenant', 'blau ü'],
      ] as const
      const written = { key: 'o-1', value: event, headers }
      await client().write(destination, written)
      const [copy] = await client().read(resourceNames.retry(destination, group, rungMs), 1)
      const [letter] = await client().read(resourceNames.dead(destination, group), 1)
      for (const read of [copy!, letter!]) {
        const { headers: kept, ...rest } = withoutOurs(read)
        expect({ ...rest, headers: new Map(kept) }).toEqual({ ...written, headers: new Map(headers) })
      }
      expect(valueOf(copy!, 'posthorn-attempt')).toBe('3')
      expect(Object.fromEntries(letter!.headers)).toMatchObject({
        'posthorn-reason': 'retriesExhausted',
        'posthorn-attempt': '3',
        'posthorn-group': group,
        'posthorn-error-message': 'this order cannot be handled',
      })
      await reader.stop()
    })

    test('write a key to the partition to which a service publishes it', async () => {
      const destination = uniqueDestination()
      const { service, contract } = await startWriter(transport(), destination)
      const keys = ['a', 'käse', '\u{1f40d}', ...Array.from({ length: 17 }, (_, index) => `order-${index * 7}`)]
      for (const key of keys) await service.publish(contract, { orderId: 'ours' }, { partitionKey: key })
      await client().write(destination, ...keys.map((key) => ({ key, value: 'theirs', headers: [] })))
      const records = await client().read(destination, keys.length * 2)
      const partitionsOf = (theirs: boolean): ReadonlyMap<string | null, number> =>
        new Map(
          records.filter(({ value }) => (value === 'theirs') === theirs).map(({ key, partition }) => [key, partition]),
        )
      expect(partitionsOf(true)).toEqual(partitionsOf(false))
      expect(new Set(partitionsOf(true).values()).size).toBeGreaterThan(3)
      await service.stop()
    })
  })

  test('a line of the console producer is dead-lettered, skipped or adopted as the group says', async () => {
    const destination = uniqueDestination()
    const [skipping, adopting] = [`${destination}-skipped`, `${destination}-adopted`]
    const readers = await Promise.all([
      startReader({ transport: transportOn('kafkajs'), destination }),
      startReader({ transport: transportOn('kafkajs'), destination: skipping, consumer: { foreign: 'skip' } }),
      startReader({ transport: transportOn('kafkajs'), destination: adopting, consumer: { foreign: adoptText } }),
    ])
    const line = { key: null, value: 'a line from the console', headers: [] }
    for (const topic of [destination, skipping, adopting]) await consoleTools(kafka).write(topic, line)
    await Promise.all(readers.map((reader) => reader.ended(1)))
    const [dead, skipper, adopter] = readers
    expect(dead.deadLetters.map(({ reason }) => reason)).toEqual(['foreign'])
    expect(Buffer.from(dead.deadLetters[0]!.body ?? []).toString()).toBe('a line from the console')
    expect(skipper.skipped()).toBe(1)
    expect(adopter.events).toMatchObject([{ data: { orderId: 'a line from the console' } }])
    await Promise.all(readers.map((reader) => reader.stop()))
  })
})
