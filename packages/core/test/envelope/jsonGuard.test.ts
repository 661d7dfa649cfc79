import { describe, expect, it } from 'vitest'
import { checkDepth, checkSize, decodeText, parseJson } from '../../src/envelope/jsonGuard.js'
import { structuredMode } from '../../src/envelope/structuredMode.js'
import { thrown, thrownCode } from '../rejections.js'

const bytes = (...parts: (string | number[])[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))))

describe('size', () => {
  it('is allowed up to the limit, and not a byte more', () => {
    const limits = { maxBodyBytes: 1_048_576, maxDepth: 64 }
    expect(() => checkSize(1_048_576, limits)).not.toThrow()
    expect(thrownCode(() => checkSize(1_048_577, limits))).toBe('POSTHORN_TOO_LARGE')
  })
})

describe('depth', () => {
  const nested = (levels: number, open = '[', close = ']'): string => open.repeat(levels) + close.repeat(levels)

  it('is allowed up to the limit, and not a level more', () => {
    expect(() => checkDepth(nested(64), 64)).not.toThrow()
    expect(thrownCode(() => checkDepth(nested(65), 64))).toBe('POSTHORN_TOO_DEEP')
    expect(() => checkDepth(`{"a":${nested(63)}}`, 64)).not.toThrow()
    expect(thrownCode(() => checkDepth(`{"a":${nested(64)}}`, 64))).toBe('POSTHORN_TOO_DEEP')
  })

  it('does not grow with brackets in strings, or side by side', () => {
    expect(() => checkDepth(JSON.stringify(nested(1_000)), 1)).not.toThrow()
    expect(() => checkDepth(`["${'[{'.repeat(100)}\\"[[[", "\\\\", []]`, 2)).not.toThrow()
    expect(() => checkDepth(`[${Array(1_000).fill('[]').join(',')}]`, 2)).not.toThrow()
  })

  it('is found behind strings that end in escapes', () => {
    expect(thrownCode(() => checkDepth(`["\\\\",${nested(5)}]`, 5))).toBe('POSTHORN_TOO_DEEP')
    expect(thrownCode(() => checkDepth(`["\\"",${nested(5)}]`, 5))).toBe('POSTHORN_TOO_DEEP')
  })

  it('is checked before parsing: a million levels neither overflow the stack nor take long', () => {
    expect(thrownCode(() => parseJson(nested(1_000_000), 64))).toBe('POSTHORN_TOO_DEEP')
  })

  it('in structured mode counts from data', () => {
    const context = { limits: { maxBodyBytes: 1_000_000, maxDepth: 64 }, binaryPrefix: 'ce_' }
    const event = (levels: number): Buffer =>
      Buffer.from(`{"specversion":"1.0","id":"1","source":"/s","type":"t","data":${nested(levels)}}`)
    const read = (levels: number): unknown =>
      structuredMode().read({ body: event(levels), contentType: 'application/cloudevents+json', headers: {} }, context)
    expect(() => read(64)).not.toThrow()
    expect(thrownCode(() => read(65))).toBe('POSTHORN_TOO_DEEP')
    const write = (levels: number): unknown =>
      structuredMode().write(
        { specversion: '1.0', id: '1', source: '/s', type: 't', data: JSON.parse(nested(levels)) as unknown },
        context,
      )
    expect(() => write(64)).not.toThrow()
    expect(thrownCode(() => write(65))).toBe('POSTHORN_TOO_DEEP')
  })
})

describe('text', () => {
  it('is refused when it is not UTF-8: stray, cut, overlong, surrogate', () => {
    for (const bad of [[0xff], [0xc3], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80]]) {
      expect(thrownCode(() => decodeText(bytes('{"a":"', bad, '"}')))).toBe('POSTHORN_UNDECODABLE')
    }
  })

  it('loses a byte order mark, also after a text that was refused', () => {
    const bom = [0xef, 0xbb, 0xbf]
    expect(parseJson(decodeText(bytes(bom, '{}')), 64)).toEqual({})
    expect(thrownCode(() => decodeText(bytes(bom, [0xff])))).toBe('POSTHORN_UNDECODABLE')
    expect(thrownCode(() => decodeText(bytes([0xe2, 0x82])))).toBe('POSTHORN_UNDECODABLE')
    expect(parseJson(decodeText(bytes(bom, '{}')), 64)).toEqual({})
    expect(decodeText(bytes('{}'))).toBe('{}')
  })

  it('of other encodings is refused', () => {
    expect(thrownCode(() => parseJson(decodeText(Buffer.from('{"a":1}', 'utf16le')), 64))).toBe('POSTHORN_UNDECODABLE')
  })
})

describe('__proto__', () => {
  /** All ways to write each character of the name in JSON: plain, or escaped in either case. */
  const spellings = (): string[] => {
    const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
    const name = '__proto__'
    const one = [...name].map((_, at) => name.slice(0, at) + escaped(name[at]!) + name.slice(at + 1))
    const all = [...name].map(escaped).join('')
    return [name, ...one, all, all.toUpperCase().replaceAll('\\U', '\\u')]
  }

  for (const spelling of spellings()) {
    it(`is refused as a key, written ${spelling}`, () => {
      for (const json of [`{"${spelling}":{"admin":true}}`, `{"a":[1,{"b":{"${spelling}":1}}]}`]) {
        expect(Object.hasOwn(JSON.parse(`{"${spelling}":1}`) as object, '__proto__')).toBe(true)
        expect(thrownCode(() => parseJson(json, 64))).toBe('POSTHORN_FORBIDDEN_KEY')
      }
    })
  }

  it('is fine in a value', () => {
    expect(parseJson('{"note":"__proto__","other":"\\u005f"}', 64)).toEqual({ note: '__proto__', other: '_' })
  })
})

it('errors of parsing show no data', () => {
  const secret = 'secret-4711'
  const bad = [`{"a":"${secret}"`, `${secret}`, `{"${secret}":${secret}}`, `["${secret}",`]
  for (const json of bad) {
    const error = thrown(() => parseJson(json, 64)) as Error & { details: unknown }
    expect(`${error.message} ${error.stack} ${JSON.stringify(error.details)} ${String(error.cause)}`).not.toContain(
      secret,
    )
  }
})
