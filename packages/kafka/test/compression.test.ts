import zlib from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { codecOf } from '../src/compression.js'
import { encodeProduce } from '../src/driver/produceRequest.js'
import { createKafka } from '../src/index.js'

const text = Buffer.from('All work and no play makes Jack a dull boy. '.repeat(2_000))
const hasZstd = 'zstdCompress' in zlib

describe('a codec', () => {
  it.each(['gzip', 'snappy', 'lz4'] as const)('%s gives back what it was given, and takes less room', async (name) => {
    const codec = codecOf(name)!
    for (const bytes of [text, Buffer.alloc(0), Buffer.from('x')]) {
      expect((await codec.decompress(await codec.compress(bytes))).equals(bytes)).toBe(true)
    }
    expect((await codec.compress(text)).length).toBeLessThan(text.length / 5)
  })

  it('lz4 writes frames, as Kafka wants them, and gzip its own', async () => {
    expect((await codecOf('lz4')!.compress(text)).subarray(0, 4).toString('hex')).toBe('04224d18')
    expect((await codecOf('gzip')!.compress(text)).subarray(0, 2).toString('hex')).toBe('1f8b')
  })

  it('snappy reads the blocks of Java’s client too', async () => {
    const codec = codecOf('snappy')!
    const header = Buffer.from('82534e41505059000000000100000001', 'hex')
    const blocks = await Promise.all(
      [text.subarray(0, 32_768), text.subarray(32_768)].map(async (part) => {
        const packed = await codec.compress(part)
        const length = Buffer.alloc(4)
        length.writeInt32BE(packed.length)
        return Buffer.concat([length, packed])
      }),
    )
    expect((await codec.decompress(Buffer.concat([header, ...blocks]))).equals(text)).toBe(true)
  })

  it('zstd is there where Node.js has it', async () => {
    const codec = codecOf('zstd')
    expect(codec !== undefined).toBe(hasZstd)
    if (codec === undefined) return
    expect((await codec.decompress(await codec.compress(text))).equals(text)).toBe(true)
  })

  it.each([
    ['gzip', 1],
    ['snappy', 2],
    ['lz4', 3],
  ] as const)('%s stands in the batch as number %i', async (name, number) => {
    const record = { key: null, value: text, headers: {}, timestampMs: 0 }
    const body = await encodeProduce({ topic: 'orders', partition: 0, records: [record] }, 1_000, codecOf(name))
    // Behind what a request has before its batch.
    const batch = body.subarray(26 + 'orders'.length)
    expect([batch[16], batch.readInt16BE(21)]).toEqual([2, number])
    expect(body.length).toBeLessThan(text.length / 5)
  })
})

describe('a codec that is not there', () => {
  it('is refused before any I/O, with what it needs', () => {
    const make = (): unknown => createKafka({ brokers: ['kafka:9092'], compression: 'zstd' })
    if (hasZstd) return expect(make).not.toThrow()
    return expect(make).toThrow(
      expect.objectContaining({
        code: 'POSTHORN_CONFIGURATION',
        details: { problems: ["compression 'zstd' needs Node.js 22.15 or later"] },
      }),
    )
  })

  it('is refused when nobody knows it', () => {
    const make = (): unknown => createKafka({ brokers: ['kafka:9092'], compression: 'brotli' as 'gzip' })
    expect(make).toThrow(expect.objectContaining({ code: 'POSTHORN_CONFIGURATION' }))
  })
})
