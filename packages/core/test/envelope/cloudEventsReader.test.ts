import { describe, expect, it } from 'vitest'
import { binaryMode, structuredMode } from '../../src/index.js'
import type { Codec, Envelope, RawMessage, WireContext } from '../../src/index.js'
import { createEnvelopeValidator } from '../../src/envelope/envelopeValidator.js'
import { headersOf } from '../fixtures.js'
import { thrownCode } from '../rejections.js'

const context: WireContext = { limits: { maxBodyBytes: 1_000_000, maxDepth: 64 }, binaryPrefix: 'ce_' }
const json = 'application/cloudevents+json'
const read = (raw: Partial<RawMessage>, codec?: Codec): Envelope | 'foreign' =>
  structuredMode(codec === undefined ? {} : { codec }).read(
    { body: null, contentType: '', headers: {}, ...raw },
    context,
  )
const event = (more: object = {}): Buffer =>
  Buffer.from(JSON.stringify({ specversion: '1.0', id: '1', source: '/s', type: 't', ...more }))
const headers = (prefix: string, more: Readonly<Record<string, string>> = {}): Record<string, string> =>
  headersOf({
    ...Object.fromEntries(
      Object.entries({ specversion: '1.0', id: '1', source: '/s', type: 't' }).map(([name, value]) => [
        prefix + name,
        value,
      ]),
    ),
    ...more,
  })

describe('the mode is told', () => {
  it('by the content type, in every spelling', () => {
    for (const contentType of [json, 'APPLICATION/CloudEvents+JSON', `${json}; charset=UTF-8`, ` ${json} ;x=y`]) {
      expect(read({ body: event(), contentType })).toMatchObject({ id: '1' })
    }
  })

  it('by attributes in headers, in every spelling of every prefix', () => {
    for (const prefix of ['ce_', 'CE_', 'ce-', 'Ce-', 'cloudEvents_', 'cloudevents_', 'cloudEvents:', 'CLOUDEVENTS:']) {
      expect(read({ headers: headers(prefix) })).toEqual({ specversion: '1.0', id: '1', source: '/s', type: 't' })
    }
    expect(read({ headers: headersOf({ ce_SpecVersion: '1.0', CE_ID: '1' }) })).toMatchObject({ id: '1' })
  })

  it('structured when both are there', () => {
    const raw = { body: event({ id: 'body' }), contentType: json, headers: headers('ce_', { ce_id: 'header' }) }
    expect(read(raw)).toMatchObject({ id: 'body' })
  })

  it('foreign for everything else: no guesses', () => {
    const foreign: Partial<RawMessage>[] = [
      {},
      { body: event(), contentType: 'application/json' },
      { body: event(), contentType: '' },
      { body: Buffer.from('[]'), contentType: 'application/cloudevents-batch+json' },
      { body: Buffer.from([1]), contentType: 'application/cloudevents+avro' },
      { body: event(), contentType: 'application/cloudevents' },
      { headers: headersOf({ ce_id: '1', ce_type: 't' }) }, // Without a specversion.
      { headers: headersOf({ specversion: '1.0', id: '1' }) },
      { headers: headersOf({ cespecversion: '1.0' }) },
    ]
    expect(foreign.map((raw) => read(raw))).toEqual(foreign.map(() => 'foreign'))
  })
})

describe('structured mode', () => {
  it('takes a null attribute for unset, and null data for data', () => {
    const body = event({ subject: null, data_base64: null, tenant: null, data: null })
    expect(read({ body, contentType: json })).toStrictEqual({
      specversion: '1.0',
      id: '1',
      source: '/s',
      type: 't',
      data: null,
    })
  })

  it('passes unknown extensions through untouched', () => {
    const extensions = { tenant: 'acme', count: 3, test: false }
    expect(read({ body: event(extensions), contentType: json })).toMatchObject(extensions)
  })

  it('decodes base64 that a codec knows, and leaves what none does', () => {
    const base64 = Buffer.from('{"a":1}').toString('base64')
    expect(read({ body: event({ data_base64: base64 }), contentType: json })).toMatchObject({ data: { a: 1 } })
    const png = read({ body: event({ data_base64: 'AAEC', datacontenttype: 'image/png' }), contentType: json })
    expect(png).toMatchObject({ data_base64: 'AAEC', datacontenttype: 'image/png' })
    expect('data' in (png as object)).toBe(false)
  })

  it('does not decode base64 that is damaged', () => {
    const validate = createEnvelopeValidator()
    const whole = Buffer.from('{"a":1}').toString('base64')
    for (const damaged of [
      `${whole.slice(0, 4)}!${whole.slice(4)}`,
      whole.replace('=', ''),
      `${whole}AAAA`,
      ` ${whole}`,
    ]) {
      const readAndCheck = (): void => {
        const found = read({ body: event({ data_base64: damaged }), contentType: json })
        validate(found as Envelope)
      }
      expect(thrownCode(readAndCheck)).toMatch(/^POSTHORN_(UNDECODABLE|INVALID_ENVELOPE)$/)
    }
  })

  it('is refused with data twice', () => {
    const found = read({ body: event({ data: 1, data_base64: 'AAEC' }), contentType: json })
    expect(thrownCode(() => createEnvelopeValidator()(found as Envelope))).toBe('POSTHORN_INVALID_ENVELOPE')
  })

  it('is refused when the body is missing, no object, or no JSON', () => {
    for (const body of [null, '', '[]', '"x"', 'null', '{', 'NaN']) {
      const raw = { body: body === null ? null : Buffer.from(body), contentType: json }
      expect(thrownCode(() => read(raw))).toBe('POSTHORN_UNDECODABLE')
    }
  })
})

describe('binary mode', () => {
  it('takes the media type from the content type, whatever headers say', () => {
    const raw = {
      headers: headers('ce_', { ce_datacontenttype: 'text/xml' }),
      contentType: 'application/json',
      body: Buffer.from('[1]'),
    }
    expect(read(raw)).toMatchObject({ datacontenttype: 'application/json', data: [1] })
  })

  it('takes data from the body alone', () => {
    const found = read({
      headers: headers('ce_', { ce_data: '{"admin":true}', ce_data_base64: 'AAEC' }),
      body: Buffer.from('1'),
    })
    expect(found).toMatchObject({ data: 1 })
    expect('data_base64' in (found as object)).toBe(false)
  })

  it('keeps bytes that no codec knows as base64', () => {
    const found = read({ headers: headers('ce_'), contentType: 'image/png', body: Buffer.from([0, 1, 2]) })
    expect(found).toMatchObject({ data_base64: 'AAEC', datacontenttype: 'image/png' })
  })

  it('reads every kind of JSON', () => {
    for (const contentType of [
      '',
      'application/json',
      'text/json',
      'application/vnd.x+json',
      'Application/JSON; charset=utf-8',
    ]) {
      expect(read({ headers: headers('ce_'), contentType, body: Buffer.from('{"a":1}') })).toMatchObject({
        data: { a: 1 },
      })
    }
  })

  it('takes no prototype from headers', () => {
    expect(thrownCode(() => read({ headers: headers('ce_', { ce___proto__: 'x' }) }))).toBe('POSTHORN_UNDECODABLE')
    const validate = createEnvelopeValidator()
    for (const name of ['constructor', 'prototype', '', 'ID2-x', 'Ünder']) {
      const found = read({ headers: headers('ce_', { [`ce_${name}`]: 'x' }) }) as Envelope
      expect(thrownCode(() => validate(found))).toBe('POSTHORN_INVALID_ENVELOPE')
    }
  })

  it('says that a codec failed without saying what it read', () => {
    const codec: Codec = {
      contentType: 'application/x-odd',
      encode: () => new Uint8Array(),
      decode: (bytes) => {
        throw new Error(`cannot read ${Buffer.from(bytes).toString()}`)
      },
    }
    const raw = { headers: headers('ce_'), contentType: 'application/x-odd', body: Buffer.from('secret-4711') }
    expect(thrownCode(() => read(raw, codec))).toBe('POSTHORN_UNDECODABLE')
    expect(() => read(raw, codec)).not.toThrow(/secret/)
  })
})

it('both formats read both modes alike', () => {
  const raws: RawMessage[] = [
    { body: event({ data: 1 }), contentType: json, headers: {} },
    { body: Buffer.from('1'), contentType: 'application/json', headers: headers('ce-') },
  ]
  for (const raw of raws) expect(binaryMode().read(raw, context)).toEqual(structuredMode().read(raw, context))
})
