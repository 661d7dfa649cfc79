import { describe, expect, it } from 'vitest'
import { jsonCodec, toJson } from '../../src/envelope/codec.js'
import { seededRandom } from '../../../../test/seededRandom.js'
import { thrown, thrownCode } from '../rejections.js'

const cycle = (): unknown => {
  const value: Record<string, unknown> = {}
  value['self'] = { again: [value] }
  return value
}

describe('data without a faithful JSON form is refused', () => {
  const lossy: Readonly<Record<string, unknown>> = {
    NaN: Number.NaN,
    'Infinity in a list': [1, Infinity],
    '-Infinity deep down': { a: [{ b: -Infinity }] },
    'a BigInt': { big: 1n },
    'a cycle': cycle(),
    'undefined in a list': [1, undefined],
    'a hole in a list': [1, , 2], // oxlint-disable-line no-sparse-arrays
    'a function in a list': [() => 1],
    'a symbol in a list': [Symbol('x')],
    'undefined alone': undefined,
    'a function alone': () => 1,
    'an invalid Date': { at: new Date(Number.NaN) },
    'a Map': { prices: new Map([['a', 1]]) },
    'a Set in a list': [new Set([1])],
    'a Promise, for want of an await': { total: Promise.resolve(1) },
    'an Error': { reason: new Error('x') },
    'a Map from toJSON': { toJSON: () => new Map() },
    'a toJSON that gives NaN': { amount: { toJSON: () => Number.NaN } },
  }
  for (const [what, value] of Object.entries(lossy)) {
    it(what, () => {
      expect(thrownCode(() => toJson(value))).toBe('POSTHORN_UNSERIALIZABLE')
    })
  }

  it('a key __proto__ is refused, also where toJSON makes it', () => {
    const own = JSON.parse('{"__proto__":{"admin":true}}') as unknown
    expect(thrownCode(() => toJson({ a: [own] }))).toBe('POSTHORN_FORBIDDEN_KEY')
    expect(thrownCode(() => toJson({ a: { toJSON: () => own } }))).toBe('POSTHORN_FORBIDDEN_KEY')
  })
})

describe('data with one is not', () => {
  it('null, Dates, absent properties, odd strings', () => {
    const value = {
      nothing: null,
      at: new Date(0),
      absent: undefined,
      text: 'null __proto__ \ud800 \u0000',
      list: [null],
      empty: {},
      instance: new (class Empty {})(),
      mapLike: Object.assign(new Map(), { toJSON: () => ({}) }),
    }
    expect(JSON.parse(toJson(value))).toEqual({
      nothing: null,
      at: '1970-01-01T00:00:00.000Z',
      text: 'null __proto__ \ud800 \u0000',
      list: [null],
      empty: {},
      instance: {},
      mapLike: {},
    })
  })

  it('comes back as it was (random values)', () => {
    const random = seededRandom(7)
    const make = (depth: number): unknown => {
      const kind = Math.floor(random() * (depth > 5 ? 5 : 7))
      if (kind === 0) return null
      if (kind === 1) return random() < 0.5
      if (kind === 2) return Math.floor((random() - 0.5) * 2 ** 53)
      if (kind === 3) return random() * 1e300
      if (kind === 4) return String.fromCharCode(...Array.from({ length: 5 }, () => Math.floor(random() * 0xffff)))
      if (kind === 5) return Array.from({ length: Math.floor(random() * 4) }, () => make(depth + 1))
      return Object.fromEntries(Array.from({ length: 3 }, (_, index) => [`k${index}`, make(depth + 1)]))
    }
    for (let run = 0; run < 500; run += 1) {
      const value = make(0)
      expect(jsonCodec.decode(jsonCodec.encode(value), 64)).toEqual(value)
    }
  })
})

it('errors of writing show no data, whatever the data’s own functions say', () => {
  const secret = 'secret-4711'
  const values = [
    { [`k`]: { secret, big: 1n } },
    { secret, nested: cycle() },
    { secret, list: [Number.NaN] },
    {
      secret,
      toJSON: () => {
        throw new Error(`cannot write ${secret}`)
      },
    },
  ]
  for (const value of values) {
    const error = thrown(() => toJson(value)) as Error
    expect(`${error.message} ${error.stack}`).not.toContain(secret)
  }
})
