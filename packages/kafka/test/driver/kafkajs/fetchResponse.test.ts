import { createRequire } from 'node:module'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { createHeaderMemory } from '../../../src/driver/kafkajs/fetchedRecords.js'
import { readFetchResponse } from '../../../src/driver/kafkajs/fetchResponse.js'
import type { FetchedTogether } from '../../../src/driver/kafkajs/fetchResponse.js'
import { seededRandom } from '../../../../../test/seededRandom.js'

const require = createRequire(import.meta.url)
const kafkajsResponse = require('kafkajs/src/protocol/requests/fetch/v11/response') as {
  decode(payload: Buffer): Promise<PlainResponse>
}

interface PlainMessage {
  readonly offset: string
  readonly timestamp: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: Record<string, unknown>
  readonly isControlRecord: boolean
}
interface PlainResponse {
  readonly responses: readonly { readonly partitions: readonly { readonly messages: readonly PlainMessage[] }[] }[]
}

interface Written {
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly (readonly [string, Buffer | null])[]
  readonly delta: number
  readonly offsetDelta: number
}

interface BatchParts {
  readonly firstOffset: number
  readonly records: readonly Written[]
  readonly lastOffsetDelta?: number
  readonly attributes?: number
  readonly producerId?: number
  readonly gzip?: boolean
}

function varint(value: number): Buffer {
  let left = value < 0 ? BigInt(-value) * 2n - 1n : BigInt(value) * 2n
  const bytes: number[] = []
  do {
    bytes.push(Number(left & 0x7fn) | (left > 0x7fn ? 0x80 : 0))
    left >>= 7n
  } while (left > 0n)
  return Buffer.from(bytes)
}

const chunk = (bytes: Buffer | null): Buffer =>
  bytes === null ? varint(-1) : Buffer.concat([varint(bytes.length), bytes])

function recordBytes({ key, value, headers, delta, offsetDelta }: Written): Buffer {
  const fields = [
    Buffer.from([0]),
    varint(delta),
    varint(offsetDelta),
    chunk(key),
    chunk(value),
    varint(headers.length),
  ]
  for (const [name, text] of headers) fields.push(chunk(Buffer.from(name)), chunk(text))
  return chunk(Buffer.concat(fields))
}

const int = (bytes: 2 | 4 | 8, value: number): Buffer => {
  const buffer = Buffer.alloc(bytes)
  if (bytes === 8) buffer.writeBigInt64BE(BigInt(value))
  else buffer.writeIntBE(value, 0, bytes)
  return buffer
}

const firstTimestamp = 1_763_000_000_000

function batchBytes(parts: BatchParts): Buffer {
  const { firstOffset, records, attributes = 0, producerId = -1, gzip = false } = parts
  const plain = Buffer.concat(records.map(recordBytes))
  const body = Buffer.concat([
    int(2, attributes | (gzip ? 1 : 0)),
    int(4, parts.lastOffsetDelta ?? records.at(-1)!.offsetDelta),
    int(8, firstTimestamp),
    int(8, firstTimestamp + 777),
    int(8, producerId),
    int(2, 0),
    int(4, 0),
    int(4, records.length),
    gzip ? gzipSync(plain) : plain,
  ])
  const rest = Buffer.concat([int(4, 0), Buffer.from([2]), int(4, 0), body])
  return Buffer.concat([int(8, firstOffset), int(4, rest.length), rest])
}

function answer(recordSet: Buffer, aborted: readonly (readonly [number, number])[] = []): Buffer {
  const topic = Buffer.from('orders')
  const partition = [
    int(4, 3),
    int(2, 0),
    int(8, 5_000_000_000),
    int(8, 4_999_999_999),
    int(8, 1),
    int(4, aborted.length),
    ...aborted.flatMap(([producerId, firstOffset]) => [int(8, producerId), int(8, firstOffset)]),
    int(4, -1),
    int(4, recordSet.length),
    recordSet,
  ]
  return Buffer.concat([
    int(4, 25),
    int(2, 0),
    int(4, 7),
    int(4, 1),
    int(2, topic.length),
    topic,
    int(4, 1),
    ...partition,
  ])
}

const good = (offsetDelta: number, value = `v${offsetDelta}`): Written => ({
  key: Buffer.from('k'),
  value: Buffer.from(value),
  headers: [],
  delta: offsetDelta,
  offsetDelta,
})
/** Version and type: 0 ends a transaction that was aborted, 1 one that was committed. */
const marker = (type: 0 | 1): Written => ({ ...good(0), key: Buffer.concat([int(2, 0), int(2, type)]) })
const [transactional, control] = [0x10, 0x30]

async function read(payload: Buffer): Promise<readonly FetchedTogether[]> {
  const { responses } = await readFetchResponse(payload, createHeaderMemory())
  return responses[0]!.partitions[0]!.messages
}

const values = ([together]: readonly FetchedTogether[]): string[] =>
  together!.records.map(({ value }) => value!.toString())

describe('the answer to a fetch', () => {
  it('is read as kafkajs reads it, whatever is in it', async () => {
    const random = seededRandom(42)
    const number = (below: number): number => Math.floor(random() * below)
    const some = (): Buffer | null => (random() < 0.1 ? null : Buffer.alloc(number(300), 120))
    const headerSets: Written['headers'][] = [
      [],
      [['content-type', Buffer.from('a/b')]],
      [
        ['a', null],
        ['a', Buffer.from('1')],
        ['é', some()],
      ],
    ]
    for (let round = 0; round < 200; round += 1) {
      let offset = 4_999_000_000 + number(1_000)
      const batches: Buffer[] = []
      for (let count = 1 + number(4); count > 0; count -= 1) {
        const records = Array.from({ length: 1 + number(30) }, (_, index): Written => {
          const headers = headerSets[number(headerSets.length)]!
          return { key: some(), value: some(), headers, delta: number(10_000) - 500, offsetDelta: index * 3 }
        })
        const attributes = random() < 0.3 ? 0x08 : 0
        batches.push(batchBytes({ firstOffset: offset, records, attributes, gzip: random() < 0.3 }))
        offset += records.length * 3
      }
      const whole = Buffer.concat(batches)
      // Cut anywhere behind the first batch, as brokers do.
      const cut = random() < 0.5 ? whole.length : batches[0]!.length + number(whole.length - batches[0]!.length)
      const payload = answer(whole.subarray(0, cut))
      const plain = (await kafkajsResponse.decode(payload)).responses[0]!.partitions[0]!
      const { responses } = await readFetchResponse(payload, createHeaderMemory())
      const { messages, ...facts } = responses[0]!.partitions[0]!
      expect(facts).toEqual({ ...plain, messages: undefined })
      expect(messages).toHaveLength(1)
      expect(messages[0]!.offset).toBe(plain.messages.at(-1)!.offset)
      const records = messages[0]!.records
      expect(records.map((record) => ({ ...plainOf(record) }))).toEqual(plain.messages.map(kafkajsOf))
    }
  })

  it('has no records of aborted transactions, nor of their ends, and says where they end', async () => {
    const batches = [
      batchBytes({ firstOffset: 10, records: [good(0, 'a'), good(1, 'b')], attributes: transactional, producerId: 1 }),
      batchBytes({ firstOffset: 12, records: [good(0, 'c')], attributes: transactional, producerId: 2 }),
      batchBytes({ firstOffset: 13, records: [good(0, 'd')] }),
      batchBytes({ firstOffset: 14, records: [marker(0)], attributes: control, producerId: 1 }),
      batchBytes({ firstOffset: 15, records: [marker(1)], attributes: control, producerId: 2 }),
      // A key that looks like the end of a transaction: kafkajs takes it for one, and shows what was aborted after it.
      batchBytes({
        firstOffset: 16,
        records: [{ ...good(0, 'e'), key: Buffer.alloc(4) }, good(1, 'f')],
        attributes: transactional,
        producerId: 1,
      }),
      batchBytes({ firstOffset: 18, records: [marker(0)], attributes: control, producerId: 1 }),
      batchBytes({ firstOffset: 19, records: [good(0, 'g')], attributes: transactional, producerId: 1 }),
    ]
    const together = await read(
      answer(Buffer.concat(batches), [
        [1, 10],
        [1, 16],
      ]),
    )
    expect(values(together)).toEqual(['c', 'd', 'g'])
    expect(together[0]).toMatchObject({ offset: '19', isControlRecord: false })
    const nothing = await read(answer(Buffer.concat(batches.slice(3, 5))))
    expect(nothing).toMatchObject([{ offset: '15', isControlRecord: true, records: [] }])
  })

  it('passes what was compacted away', async () => {
    const batch = batchBytes({ firstOffset: 10, records: [good(2)], lastOffsetDelta: 9 })
    expect((await read(answer(batch)))[0]!.offset).toBe('19')
    expect(await read(answer(Buffer.alloc(0)))).toEqual([])
  })

  it('takes hundreds of thousands of records in one batch', async () => {
    const records = Array.from({ length: 200_000 }, (_, index) => good(index, ''))
    const payload = answer(batchBytes({ firstOffset: 0, records }))
    // kafkajs appends them as arguments of one call, more than fit on the stack; a RangeError ends its consumer for good.
    await expect(kafkajsResponse.decode(payload)).rejects.toThrow(RangeError)
    expect((await read(payload))[0]!.records).toHaveLength(200_000)
  })

  it('that is not as we know it is refused, so that kafkajs reads it', async () => {
    const whole = answer(batchBytes({ firstOffset: 1, records: [good(0)] }))
    const older = Buffer.from(whole)
    older[older.indexOf('orders') + 6 + 4 + 4 + 2 + 24 + 4 + 4 + 4 + 16] = 1
    for (const payload of [older, whole.subarray(0, -1), Buffer.concat([whole, Buffer.from([0])])]) {
      await expect(read(payload)).rejects.toThrow(RangeError)
    }
  })

  it('shares headers that are the same, and only those', async () => {
    const withHeaders = (offsetDelta: number, text: string): Written => ({
      ...good(offsetDelta),
      headers: [['content-type', Buffer.from(text)]],
    })
    const records = [withHeaders(0, 'a/b'), withHeaders(1, 'a/b'), withHeaders(2, 'a/c'), good(3)]
    const [together] = await read(answer(batchBytes({ firstOffset: 0, records })))
    const [first, second, third, none] = together!.records.map(({ headers }) => headers)
    expect(first).toBe(second)
    expect(third).toEqual({ 'content-type': Buffer.from('a/c') })
    expect(none).toEqual({})
  })
})

function plainOf(record: FetchedTogether['records'][number]): object {
  const { offset, timestampMs, key, value, headers } = record
  return { offset, timestampMs, key, value, headers }
}

function kafkajsOf({ offset, timestamp, key, value, headers }: PlainMessage): object {
  return { offset: Number(offset), timestampMs: Number(timestamp), key, value, headers }
}
