import { describe, expect, it } from 'vitest'
import { describeError, read } from '../../src/consumer/describeError.js'
import { EnvelopeValidationError, SerializationError } from '../../src/errors.js'
import { thrown } from '../rejections.js'

const hostile = (): Record<string, unknown> => {
  const get = (): never => {
    throw new Error('hands off')
  }
  const keys = ['name', 'message', 'stack', 'issues', 'code', 'cause', 'toString']
  return Object.defineProperties({}, Object.fromEntries(keys.map((key) => [key, { enumerable: true, get }])))
}

describe('an error is described', () => {
  it('by name, message and stack', () => {
    const error = new RangeError('too far')
    expect(describeError(error)).toEqual({ name: 'RangeError', message: 'too far', stack: error.stack })
  })

  it('whatever it is', () => {
    const revoked = Proxy.revocable({}, {})
    revoked.revoke()
    const odd: [unknown, string, string][] = [
      [undefined, 'undefined', 'undefined'],
      [null, 'object', 'null'],
      ['text', 'string', 'text'],
      [7, 'number', '7'],
      [7n, 'bigint', '7'],
      [Symbol('x'), 'symbol', 'Symbol(x)'],
      [{}, 'Error', '[object Object]'],
      [{ name: '', message: 'only this' }, 'Error', 'only this'],
      [{ name: 7, message: { deep: true } }, 'Error', '[object Object]'],
      [Object.create(null), 'Error', 'a value that cannot be shown'],
      [hostile(), 'Error', 'a value that cannot be shown'],
      [revoked.proxy, 'Error', 'a value that cannot be shown'],
      [[1, 2], 'Error', '1,2'],
    ]
    expect(odd.map(([value]) => describeError(value)).map(({ name, message }) => [name, message])).toEqual(
      odd.map(([, name, message]) => [name, message]),
    )
  })

  it('in about 5,000 characters at most, and says that something was cut', () => {
    const error = new Error('m'.repeat(1e6))
    error.name = 'n'.repeat(1e6)
    error.stack = 's'.repeat(1e6)
    const { name, message, stack } = describeError(error)
    expect(name.length + message.length + stack!.length).toBeLessThanOrEqual(5_200)
    for (const text of [name, message, stack!]) expect(text.endsWith('…')).toBe(true)
    expect(describeError('x'.repeat(1e6)).message).toHaveLength(1_000)
    expect(describeError(new Error('m'.repeat(1_000))).message).toBe('m'.repeat(1_000))
  })

  it('with its issues when they are ours, and else without', () => {
    const issues = [{ pointer: '/data', keyword: 'type', message: 'must be object' }]
    const ours = new EnvelopeValidationError({ code: 'POSTHORN_INVALID_DATA', message: 'x', issues })
    expect(describeError(ours).issues).toEqual(issues)
    expect(describeError(Object.assign(new Error('theirs'), { issues: [{ input: 'secret' }] })).issues).toBeUndefined()
    const other = new SerializationError({ code: 'POSTHORN_TOO_DEEP', message: 'x' })
    expect(describeError(Object.assign(other, { issues })).issues).toBeUndefined()
    expect(describeError({ code: 'POSTHORN_INVALID_DATA', message: 'x', issues: 'none' }).issues).toBeUndefined()
  })
})

it('a property is read even where that throws', () => {
  expect(read(hostile(), 'message')).toBeUndefined()
  expect(read({ message: 7 }, 'message')).toBe(7)
  expect(thrown(() => hostile()['message'])).toBeInstanceOf(Error) // Else the test above would prove nothing.
})
