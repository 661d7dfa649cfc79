import type { Envelope } from '@posthorn/contracts'
import { envelopeSchema } from '@posthorn/schemas'
import { describe, expect, it } from 'vitest'
import { createAjv } from '../../src/envelope/ajvSetup.js'
import { createEnvelopeValidator } from '../../src/envelope/envelopeValidator.js'

const plain = {
  specversion: '1.0',
  id: 'id-1',
  source: '/shop/checkout',
  type: 'com.example.shop.order.placed.v1',
  time: '2026-11-21T08:00:00.000Z',
  datacontenttype: 'application/json',
  dataschema: 'https://example.com/schemas/order.v1.json',
  subject: 'o-1',
  partitionkey: 'user-7',
  correlationid: 'c-1',
  causationid: 'c-0',
  expirytime: '2026-11-22T08:00:00Z',
  dataref: '/blobs/1',
  sequence: '7',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  tracestate: 'a=b',
  data: { orderId: 'o-1' },
}

const oddities: readonly unknown[] = [
  undefined,
  null,
  '',
  ' ',
  'a\u0000b',
  'a\u0085b',
  'plain',
  '1.0',
  '1.1',
  '\u{1f600}'.repeat(200),
  'x'.repeat(255),
  'x'.repeat(256),
  '2026-02-30T08:00:00Z',
  '2026-11-21T08:00:00+01:00',
  'application/json; charset=UTF-8',
  'not a media type',
  'no-colon',
  'urn:uuid:1',
  7,
  2 ** 40,
  true,
  {},
  [],
]

/** The whole schema, which decides what is valid. */
const obeysSchema = createAjv().compile(envelopeSchema)

const agrees = (envelope: object): void => {
  // Twice: what was seen once is recognised.
  const validate = createEnvelopeValidator()
  validate(plain as unknown as Envelope)
  for (const _again of [1, 2]) {
    const verdict = (): void => validate(envelope as Envelope)
    if (obeysSchema(envelope)) expect(verdict).not.toThrow()
    else expect(verdict).toThrow(expect.objectContaining({ code: 'POSTHORN_INVALID_ENVELOPE' }))
  }
}

describe('validating an envelope', () => {
  it.each([...Object.keys(plain), 'data_base64', 'extension', 'Upper', 'constructor'])(
    'says of every value of %s what the schema says',
    (name) => {
      for (const value of oddities) {
        // Bytes of id and type are counted beyond the schema.
        const tooManyBytes = typeof value === 'string' && Buffer.byteLength(value) > 255
        if (!(tooManyBytes && (name === 'id' || name === 'type'))) agrees({ ...plain, [name]: value })
      }
    },
  )

  it.each(Object.keys(plain))('says of an envelope without %s what the schema says', (name) => {
    agrees(Object.fromEntries(Object.entries(plain).filter(([key]) => key !== name)))
  })

  it('refuses data beside data_base64', () => {
    expect(() => createEnvelopeValidator()({ ...plain, data_base64: 'AAAA' } as unknown as Envelope)).toThrow(
      expect.objectContaining({ code: 'POSTHORN_INVALID_ENVELOPE' }),
    )
  })
})
