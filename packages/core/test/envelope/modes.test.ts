import type { Envelope } from '@posthorn/contracts'
import { describe, expect, it } from 'vitest'
import { binaryMode, jsonCodec, structuredMode } from '../../src/index.js'
import type { Codec, RawMessage, WireContext, WireFormat } from '../../src/index.js'
import { createEnvelopeValidator } from '../../src/envelope/envelopeValidator.js'
import { headersOf } from '../fixtures.js'
import { seededRandom } from '../../../../test/seededRandom.js'
import { thrownCode } from '../rejections.js'

/** Bytes that JSON cannot say: reversed, so that reading them as something else is noticed. */
const reversed: Codec = {
  contentType: 'application/x-reversed',
  encode: (data) => Buffer.from(JSON.stringify(data)).reverse(),
  decode: (bytes) => JSON.parse(Buffer.from(bytes).reverse().toString()) as unknown,
}
/** A JSON format of its own media type. */
const vendor: Codec = { ...jsonCodec, contentType: 'application/vnd.example+json' }

const codecs: Readonly<Record<string, Codec>> = { json: jsonCodec, vendor, reversed }
const prefixes = ['ce_', 'ce-', 'cloudEvents_', 'cloudEvents:']
const modes: Readonly<Record<string, (codec: Codec) => WireFormat>> = {
  structured: (codec) => structuredMode({ codec }),
  binary: (codec) => binaryMode({ codec }),
}
const context = (binaryPrefix = 'ce_'): WireContext => ({
  limits: { maxBodyBytes: 1_000_000, maxDepth: 64 },
  binaryPrefix,
})
const base: Envelope = { specversion: '1.0', id: 'e-1', source: '/shop', type: 'com.example.v1' }

/** As a broker gives it back: headers without a prototype. */
const delivered = (raw: RawMessage): RawMessage => ({ ...raw, headers: headersOf(raw.headers) })

/** The media type stands in the content type in binary mode, so that reading adds it. */
const withoutType = ({ datacontenttype: _type, ...rest }: Envelope): object => rest

const full: Envelope = {
  ...base,
  time: '2026-01-01T12:00:00Z',
  subject: 'Größe 🦄',
  dataschema: 'urn:x:y',
  partitionkey: 'k',
  correlationid: 'c',
  causationid: 'a',
  expirytime: '2027-01-01T00:00:00Z',
  dataref: '/blob/1',
  sequence: '7',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  tracestate: 'a=1,b=2',
  tenant: 'acme',
  data: { text: 'ü', list: [1, null, { a: true }] },
}

const data: Readonly<Record<string, unknown>> = {
  object: { a: [1, { b: null }] },
  'an empty object': {},
  null: null,
  false: false,
  zero: 0,
  'an empty string': '',
  'a string that looks like JSON': '{"a":1}',
  'a list': [[], [null]],
}

for (const [mode, make] of Object.entries(modes)) {
  for (const [name, codec] of Object.entries(codecs)) {
    describe(`${mode} mode with the codec ${name}`, () => {
      const validate = createEnvelopeValidator()
      const format = make(codec)
      function roundTrip(envelope: Envelope, prefix?: string): Envelope {
        const read = format.read(delivered(format.write(envelope, context(prefix))), context(prefix))
        if (read === 'foreign') return expect.unreachable('foreign')
        validate(read)
        return read
      }

      it('gives back every attribute and the data, with every prefix of headers', () => {
        for (const prefix of prefixes) expect(withoutType(roundTrip(full, prefix))).toEqual(full)
      })

      it('gives back data of every kind, and tells null from nothing', () => {
        for (const value of Object.values(data)) {
          const read = roundTrip({ ...base, data: value })
          expect(withoutType(read)).toStrictEqual({ ...base, data: value })
        }
        expect('data' in roundTrip(base)).toBe(false)
      })

      it('reads what the other mode wrote', () => {
        const other = mode === 'structured' ? binaryMode({ codec }) : structuredMode({ codec })
        for (const prefix of prefixes) {
          const read = other.read(delivered(format.write(full, context(prefix))), context('other_'))
          expect(withoutType(read as Envelope)).toEqual(full)
        }
      })

      it('comes back as it was (random)', () => {
        const random = seededRandom(61)
        const text = (): string =>
          String.fromCodePoint(
            ...Array.from(
              { length: 1 + Math.floor(random() * 6) },
              () => [0x20, 0x22, 0x5c, 0x7e, 0xa1, 0x2028, 0xfeff, 0x1f984][Math.floor(random() * 8)]!,
            ),
          )
        for (let run = 0; run < 100; run += 1) {
          const envelope: Envelope = {
            ...base,
            id: text(),
            subject: text(),
            partitionkey: text(),
            [`x${run}`]: text(),
            data: { [text()]: [text(), random() * 1e6] },
          }
          const prefix = prefixes[run % prefixes.length]!
          expect(withoutType(roundTrip(envelope, prefix))).toEqual(envelope)
        }
      })

      it('writes nothing but strings into headers', () => {
        const { headers } = format.write({ ...full, test: true, count: 3, absent: undefined }, context())
        expect(Object.values(headers).filter((value) => typeof value !== 'string')).toEqual([])
        expect(Object.keys(headers).some((header) => header.includes('absent'))).toBe(false)
      })
    })
  }
}

describe('structured mode', () => {
  it('writes one JSON object, and no headers', () => {
    const { body, contentType, headers } = structuredMode().write(full, context())
    expect(JSON.parse(Buffer.from(body!).toString())).toEqual(full)
    expect(contentType).toBe('application/cloudevents+json; charset=UTF-8')
    expect(headers).toEqual({})
  })

  it('keeps the types of extensions', () => {
    const typed = { ...base, test: true, count: -3 }
    expect(structuredMode().read(structuredMode().write(typed, context()), context())).toEqual(typed)
  })

  it('puts what a codec made into data_base64, with its media type', () => {
    const { body } = structuredMode({ codec: reversed }).write({ ...base, data: [1] }, context())
    expect(JSON.parse(Buffer.from(body!).toString())).toEqual({
      ...base,
      datacontenttype: reversed.contentType,
      data_base64: Buffer.from(']1[').toString('base64'),
    })
  })
})

describe('binary mode', () => {
  it('writes the data alone, and the attributes as headers with the transport’s prefix', () => {
    const { body, contentType, headers } = binaryMode().write({ ...base, data: { a: 1 } }, context('cloudEvents_'))
    expect(Buffer.from(body!).toString()).toBe('{"a":1}')
    expect(contentType).toBe('application/json')
    expect(headers).toEqual({
      cloudEvents_specversion: '1.0',
      cloudEvents_id: 'e-1',
      cloudEvents_source: '/shop',
      cloudEvents_type: 'com.example.v1',
    })
  })

  it('writes an event without data as a tombstone, and reads an empty body for one', () => {
    expect(binaryMode().write(base, context()).body).toBeNull()
    const { headers } = binaryMode().write(base, context())
    const read = binaryMode().read({ body: new Uint8Array(), contentType: '', headers: headersOf(headers) }, context())
    expect(read).toEqual(base)
  })
})

describe('limits hold on both sides', () => {
  const small: WireContext = { limits: { maxBodyBytes: 200, maxDepth: 3 }, binaryPrefix: 'ce_' }
  for (const [mode, make] of Object.entries(modes)) {
    it(`in ${mode} mode: nothing is written that could not be read`, () => {
      const format = make(jsonCodec)
      const write = (value: unknown) => (): unknown => format.write({ ...base, data: value }, small)
      expect(thrownCode(write('x'.repeat(201)))).toBe('POSTHORN_TOO_LARGE')
      expect(thrownCode(write([[[[]]]]))).toBe('POSTHORN_TOO_DEEP')
      expect(write([[[]]])).not.toThrow()
      for (const value of ['x'.repeat(201), [[[[]]]]]) {
        const raw = format.write({ ...base, data: value }, context())
        expect(thrownCode(() => format.read(raw, small))).toMatch(/^POSTHORN_TOO_(LARGE|DEEP)$/)
      }
    })
  }
})
