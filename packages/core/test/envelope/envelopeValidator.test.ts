import type { Envelope } from '@posthorn/contracts'
import { envelopeSchema } from '@posthorn/schemas'
import { describe, expect, it } from 'vitest'
import { requireSchema } from '../../src/envelope/ajvSetup.js'
import { createEnvelopeValidator } from '../../src/envelope/envelopeValidator.js'
import { EnvelopeValidationError } from '../../src/errors.js'
import { makePublisher } from '../../src/publisher/publisher.js'
import { createTestKit, orderPlaced } from '../fixtures.js'
import { rejectionCode, thrown } from '../rejections.js'

const validate = createEnvelopeValidator()
const base: Envelope = { specversion: '1.0', id: '1', source: '/s', type: 't' }
const check = (more: object): void => validate({ ...base, ...more })
/** `pointer keyword` of each issue; nothing for a valid envelope. */
function issuesOf(more: object): string[] {
  try {
    check(more)
    return []
  } catch (error) {
    if (!(error instanceof EnvelopeValidationError)) throw error
    return error.issues.map(({ pointer, keyword }) => `${pointer} ${keyword}`)
  }
}

describe('an id and a type', () => {
  const lengths: [string, string, number][] = [
    ['one byte', 'a', 255],
    ['two bytes', 'é', 127],
    ['three bytes', '€', 85],
    ['four bytes', '🦄', 63],
  ]
  for (const name of ['id', 'type']) {
    for (const [what, character, count] of lengths) {
      it(`may have ${count} characters of ${what} and no more: ${name}`, () => {
        expect(issuesOf({ [name]: character.repeat(count) })).toEqual([])
        const filled = character.repeat(count) + 'a'.repeat(255 - Buffer.byteLength(character.repeat(count)))
        expect(Buffer.byteLength(filled)).toBe(255)
        expect(issuesOf({ [name]: filled })).toEqual([])
        expect(issuesOf({ [name]: `${filled}a` })[0]).toMatch(new RegExp(`^/${name} max(Bytes|Length)$`))
      })
    }

    it(`are strings that are not empty and have no control characters: ${name}`, () => {
      for (const value of ['', '\u0000', 'a\nb', 'a\u007f', '\u0085', 1, null, undefined, {}, ['a']]) {
        expect(issuesOf({ [name]: value })).toHaveLength(1)
      }
    })

    it(`have no unpaired surrogates, short or long: UTF-8 would carry another ${name}`, () => {
      for (const value of ['\ud800', 'a\udc00b', '\udc00\ud800', `${'x'.repeat(100)}\ud800`]) {
        expect(issuesOf({ [name]: value })).toHaveLength(1)
      }
      expect(issuesOf({ [name]: '🦄' })).toEqual([])
    })
  }
})

describe('the envelope', () => {
  it('has a schema that is valid itself, which is not asked again for every service', () => {
    expect(() => requireSchema(envelopeSchema)).not.toThrow()
    expect(() => requireSchema({ type: 'nonsense' })).toThrow('schema is invalid')
  })

  it('passes extensions of every allowed type, and refuses others', () => {
    expect(issuesOf({ tenant: 'acme', empty: '', count: -(2 ** 31), max: 2 ** 31 - 1, test: false })).toEqual([])
    for (const value of [1.5, 2 ** 31, Number.NaN, null, {}, [], 'a\u0000']) {
      expect(issuesOf({ tenant: value })).not.toEqual([])
    }
  })

  it('refuses names that are no attributes', () => {
    for (const name of ['Upper', 'snake_case', 'kebab-case', '', 'ü', 'constructor', 'prototype', 'has space']) {
      expect(issuesOf({ [name]: 'x' })).not.toEqual([])
    }
  })

  it('refuses times, schemas and media types that are none', () => {
    for (const time of ['2026-01-01', '2026-02-30T00:00:00Z', '2026-01-01 00:00:00Z', '2026-01-01T00:00:00', 1]) {
      expect(issuesOf({ time })).toEqual([expect.stringMatching(/^\/time /)])
    }
    expect(issuesOf({ dataschema: 'relative/path' })).toHaveLength(1)
    expect(issuesOf({ datacontenttype: 'json' })).toHaveLength(1)
    expect(issuesOf({ source: 'with space' })).toHaveLength(1)
    expect(issuesOf({ specversion: '0.3' })).toHaveLength(1)
    expect(issuesOf({ data: 1, data_base64: 'AAEC' })).not.toEqual([])
  })

  it('is named with pointers and rules, never with values', () => {
    const secret = 'secret-4711'
    for (const more of [{ id: `${secret}\n` }, { time: secret }, { tenant: { secret } }, { id: secret.repeat(30) }]) {
      const error = thrown(() => check(more)) as EnvelopeValidationError
      expect(error.code).toBe('POSTHORN_INVALID_ENVELOPE')
      expect(`${error.message}${error.stack}${JSON.stringify(error.details)}`).not.toContain(secret)
    }
  })
})

it('a message with an id that UTF-8 cannot carry never leaves', async () => {
  const { kit, transport } = createTestKit()
  const published = makePublisher(kit, {}).publish(orderPlaced, { orderId: 'o-1' }, { id: 'order-\ud83e' })
  expect(await rejectionCode(published)).toBe('POSTHORN_INVALID_ENVELOPE')
  expect(transport.sent).toEqual([])
})
