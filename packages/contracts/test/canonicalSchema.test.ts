import { expect, test } from 'vitest'
import { canonicalSchema, schemaHash } from '../src/canonicalSchema.js'

test('the order of keywords does not matter, at any depth', () => {
  const a = { type: 'object', properties: { a: { type: 'string', minLength: 1 }, b: {} }, required: ['a', 'b'] }
  const b = { required: ['a', 'b'], properties: { b: {}, a: { minLength: 1, type: 'string' } }, type: 'object' }
  expect(canonicalSchema(a)).toBe(canonicalSchema(b))
})

test('the order of lists matters, because the order of prefixItems has a meaning', () => {
  const first = { prefixItems: [{ type: 'string' }, { type: 'number' }] }
  const second = { prefixItems: [{ type: 'number' }, { type: 'string' }] }
  expect(canonicalSchema(first)).not.toBe(canonicalSchema(second))
})

test('a property named __proto__ is a property like any other', () => {
  const schema = JSON.parse('{"properties":{"__proto__":{"type":"string"}}}') as Record<string, unknown>
  expect(canonicalSchema(schema)).toBe('{"properties":{"__proto__":{"type":"string"}}}')
})

test('the hash is 64-bit FNV-1a over UTF-8, as 16 hex digits', () => {
  // The first two are test vectors of the authors of FNV.
  expect(schemaHash('')).toBe('cbf29ce484222325')
  expect(schemaHash('foobar')).toBe('85944171f73967e8')
  expect(schemaHash('ä')).toMatch(/^[0-9a-f]{16}$/)
  expect(schemaHash('ä')).not.toBe(schemaHash('a'))
})
