import { describe, expect, test } from 'vitest'
import { parseLine } from '../../src/input/parseLine.js'

function codeOf(line: string | Uint8Array): unknown {
  try {
    parseLine(Buffer.from(line))
    return undefined
  } catch (error) {
    expect((error as Error).message).not.toContain('secret')
    return (error as { code?: unknown }).code
  }
}

describe('a line', () => {
  test('is JSON of any kind; the contract says what an order is', () => {
    expect(parseLine(Buffer.from('{"a":[1,"é"]}'))).toEqual({ a: [1, 'é'] })
    expect(parseLine(Buffer.from('\uFEFF{"a":1}\r'))).toEqual({ a: 1 })
    expect(parseLine(Buffer.from('null'))).toBeNull()
  })

  test.each([
    ['words', 'secret words', 'SHOP_NOT_JSON'],
    ['a truncated object', '{"note":"secret', 'SHOP_NOT_JSON'],
    ['two values', '{} {"note":"secret"}', 'SHOP_NOT_JSON'],
    ['a byte that is no UTF-8', Buffer.from('{"note":"secret \xe9"}', 'latin1'), 'SHOP_NOT_UTF8'],
    ['an overlong encoding', Buffer.from([0x22, 0xc0, 0xaf, 0x22]), 'SHOP_NOT_UTF8'],
    ['UTF-16', Buffer.from('{"a":1}', 'utf16le'), 'SHOP_NOT_JSON'],
    ['__proto__', '{"__proto__":{"secret":1}}', 'POSTHORN_FORBIDDEN_KEY'],
    ['__proto__ in a list, with escapes', '{"a":[{"\\u005f_proto__":"secret"}]}', 'POSTHORN_FORBIDDEN_KEY'],
    ['65 levels', '['.repeat(65) + ']'.repeat(65), 'POSTHORN_TOO_DEEP'],
    ['half a million levels', '['.repeat(500_000), 'POSTHORN_TOO_DEEP'],
  ])('with %s is refused, and the error shows nothing of it', (_what, line, code) => {
    expect(codeOf(line)).toBe(code)
  })

  test('may nest 64 levels, and have __proto__ as a value', () => {
    expect(codeOf('['.repeat(64) + ']'.repeat(64))).toBeUndefined()
    expect(codeOf('{"note":"__proto__"}')).toBeUndefined()
  })
})
