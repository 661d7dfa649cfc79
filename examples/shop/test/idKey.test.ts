import { expect, test } from 'vitest'
import { idKey } from '../src/idKey.js'

test('an id that can travel is its own key', () => {
  expect(idKey('o-1')).toBe('o-1')
  expect(idKey('ключ ✓')).toBe('ключ ✓')
})

test.each(['x'.repeat(256), 'a\u0000b', 'tab\t', '\ud800', 'y'.repeat(1_000_000)])(
  'an id that cannot travel has a short key of its own',
  (id) => {
    expect(idKey(id)).toMatch(/^sha256-[0-9a-f]{64}$/)
    expect(idKey(id)).toBe(idKey(id))
    expect(idKey(id)).not.toBe(idKey(`${id}.`))
  },
)

test('two different broken ids have two keys', () => {
  expect(idKey('\ud800')).not.toBe(idKey('\ud801'))
})
