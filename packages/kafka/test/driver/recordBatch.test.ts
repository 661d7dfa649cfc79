import { describe, expect, it } from 'vitest'
import type { OutgoingRecord } from '../../src/driver/driver.js'
import { crc32c } from '../../src/driver/crc32c.js'
import { encodeProduce } from '../../src/driver/produceRequest.js'
import { batchBytesOf, maxRecordBytes } from '../../src/messageSize.js'
import { KafkaDecoder, decodeRecordBatch, kafkajsCrc32c } from '../support/kafkajsProtocol.js'
import type { DecodedBatch } from '../support/kafkajsProtocol.js'

function outgoing(parts: Partial<OutgoingRecord> = {}): OutgoingRecord {
  return { key: null, value: Buffer.from('v'), headers: {}, timestampMs: 1_700_000_000_000, ...parts }
}

interface Produced {
  readonly topic: string | null
  readonly partition: number
  readonly acks: number
  readonly timeoutMs: number
  readonly batch: DecodedBatch
  readonly batchBytes: number
  readonly isChecksumRight: boolean
}

/** Reads a produce request as a broker does. */
async function produced(records: readonly OutgoingRecord[]): Promise<Produced> {
  const body = await encodeProduce({ topic: 'käse', partition: 7, records }, 1_234)
  const decoder = new KafkaDecoder(body)
  expect(decoder.readString()).toBeNull()
  const [acks, timeoutMs] = [decoder.readInt16(), decoder.readInt32()]
  expect(decoder.readInt32()).toBe(1)
  const topic = decoder.readString()
  expect(decoder.readInt32()).toBe(1)
  const partition = decoder.readInt32()
  const batchBytes = decoder.readInt32()
  const bytes = decoder.readAll()
  expect(bytes).toHaveLength(batchBytes)
  expect(bytes[16]).toBe(2)
  expect(bytes.readInt16BE(21)).toBe(0)
  const isChecksumRight = bytes.readUInt32BE(17) === kafkajsCrc32c(bytes.subarray(21)) >>> 0
  return {
    acks,
    timeoutMs,
    topic,
    partition,
    batchBytes,
    batch: await decodeRecordBatch(new KafkaDecoder(bytes)),
    isChecksumRight,
  }
}

function readable({ records }: DecodedBatch): unknown[] {
  return records.map(({ key, value, headers, timestamp }) => ({
    key: key === null ? null : key.toString('latin1'),
    value: value === null ? null : value.toString('latin1'),
    headers: Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, String(text)])),
    timestampMs: Number(timestamp),
  }))
}

/** Text takes its bytes from UTF-8. */
function latin1Of(key: OutgoingRecord['key']): string | null {
  return typeof key === 'string' ? Buffer.from(key).toString('latin1') : (key?.toString('latin1') ?? null)
}

/** Numbers that look random, and are the same in every run. */
function sequence(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const alphabet = ['a', 'Z', '0', '-', 'ß', '€', '😀', '\u0000', ' ', '\ud800']

function randomRecord(random: (below: number) => number): OutgoingRecord {
  const text = (most: number): string => Array.from({ length: random(most) }, () => alphabet[random(10)]!).join('')
  const size = [0, 1, 63, 64, 127, 128, 1_000, 8_191, 8_192, 70_000][random(10)]!
  return outgoing({
    key: [null, Buffer.from(Array.from({ length: random(80) }, () => random(256))), text(200)][random(3)]!,
    value: random(10) === 0 ? null : Buffer.alloc(size, random(256)),
    headers: Object.fromEntries(Array.from({ length: random(5) }, (_, index) => [`h${index}${text(70)}`, text(200)])),
    timestampMs: [1_700_000_000_000 + random(1_000), 0, 4_102_444_800_000, -1][random(4)]!,
  })
}

describe('a batch that we encode', () => {
  it('asks for the confirmation of all replicas, and belongs to no transaction and no idempotent producer', async () => {
    const { topic, partition, acks, timeoutMs, batch, isChecksumRight } = await produced([outgoing(), outgoing()])
    expect({ topic, partition, acks, timeoutMs }).toEqual({ topic: 'käse', partition: 7, acks: -1, timeoutMs: 1_234 })
    expect(batch).toMatchObject({ firstOffset: '0', producerId: '-1', producerEpoch: -1, firstSequence: -1 })
    expect(batch).toMatchObject({ lastOffsetDelta: 1, inTransaction: false })
    expect(isChecksumRight).toBe(true)
  })

  it('is read by kafkajs as what it was, whatever the records are', async () => {
    const random = sequence(7)
    for (let round = 0; round < 30; round += 1) {
      const records = Array.from({ length: 1 + random(70) }, () => randomRecord(random))
      const { batch, isChecksumRight, batchBytes } = await produced(records)
      // A lone surrogate has no UTF-8: Node.js writes U+FFFD for it.
      const written = records.map(
        (record) => JSON.parse(JSON.stringify(record).replaceAll('\\ud800', '\ufffd')) as object,
      )
      const expected = written.map((record, index) => ({
        ...record,
        key: latin1Of(records[index]!.key),
        value: records[index]!.value?.toString('latin1') ?? null,
      }))
      expect(readable(batch)).toEqual(expected)
      expect(isChecksumRight).toBe(true)
      expect(Number(batch.maxTimestamp)).toBe(Math.max(...records.map(({ timestampMs }) => timestampMs)))
      expect(batchBytes).toBeLessThanOrEqual(61 + records.reduce((sum, record) => sum + maxRecordBytes(record), 0))
    }
  })

  it('is never larger than a single message was counted, and little smaller', async () => {
    const random = sequence(11)
    for (let round = 0; round < 200; round += 1) {
      const record = randomRecord(random)
      const { batchBytes } = await produced([record])
      const counted = batchBytesOf(record)
      expect(counted).toBeGreaterThanOrEqual(batchBytes)
      expect(counted - batchBytes).toBeLessThan(32 + 10 * Object.keys(record.headers).length)
    }
  })
})

describe('the checksum', () => {
  it('is that of the test vectors of RFC 3720', () => {
    const ascending = Buffer.from(Array.from({ length: 32 }, (_, index) => index))
    expect(crc32c(Buffer.alloc(32), 0, 32)).toBe(0x8a9136aa)
    expect(crc32c(Buffer.alloc(32, 0xff), 0, 32)).toBe(0x62a8ab43)
    expect(crc32c(ascending, 0, 32)).toBe(0x46dd794e)
    expect(crc32c(Buffer.from(ascending).reverse(), 0, 32)).toBe(0x113fdb5c)
    expect(crc32c(Buffer.from('123456789'), 0, 9)).toBe(0xe3069283)
  })

  it('does not depend on where the bytes lie', () => {
    const bytes = Buffer.from(Array.from({ length: 400 }, (_, index) => (index * 7_919) >>> 3))
    for (let from = 0; from < 20; from += 1) {
      for (let to = from; to < 60; to += 1) {
        expect(crc32c(bytes.subarray(3), from, to)).toBe(kafkajsCrc32c(bytes.subarray(3 + from, 3 + to)) >>> 0)
      }
    }
  })
})
