import { describe, expect, it } from 'vitest'
import { describeDifferences, differenceOf, withActual } from '../src/mismatch.js'

const told = (received: string, current: string, argument = 'x-message-ttl'): string =>
  'Operation failed: QueueDeclare; 406 (PRECONDITION-FAILED) with message "PRECONDITION_FAILED - inequivalent arg ' +
  `'${argument}' for queue 'it's' in vhost 'a/b': received ${received} but current is ${current}"`

describe('the difference that a broker tells of', () => {
  it.each([
    ["the value '100' of type 'signedint'", "the value '200' of type 'long'", 100, 200],
    ["the value 'true' of type 'bool'", 'none', true, undefined],
    ['none', "the value '' of type 'longstr'", undefined, ''],
    ["'false'", "'true'", false, true],
    ["'100'", "'5'", 100, 5],
    ["'drop-head'", "'reject-publish'", 'drop-head', 'reject-publish'],
  ])('is read from %s and %s', (received, current, expected, actual) => {
    expect(differenceOf(told(received, current))).toEqual({ argument: 'x-message-ttl', expected, actual })
  })

  it('is none in other refusals', () => {
    expect(differenceOf('PRECONDITION_FAILED - invalid arg')).toBeUndefined()
  })

  it('is said with what there is first', () => {
    const differences = [
      { argument: 'x-message-ttl', expected: 100, actual: undefined },
      { argument: 'type', expected: 'topic', actual: 'direct' },
    ]
    expect(describeDifferences(differences)).toBe(
      'x-message-ttl is not set, expected 100; type is "direct", expected "topic"',
    )
  })

  it('is taken over to ask for the next one, where that can be', () => {
    const asked = { arguments: { 'x-a': 1, 'x-b': 2 }, durable: true }
    const difference = { argument: 'x-a', expected: 1, actual: undefined }
    expect(withActual(asked, difference)).toEqual({ arguments: { 'x-b': 2 }, durable: true })
    expect(withActual(asked, { ...difference, actual: 5 })?.arguments).toEqual({ 'x-a': 5, 'x-b': 2 })
    expect(withActual(asked, { ...difference, argument: 'durable' })?.durable).toBe(false)
    expect(withActual(asked, { ...difference, argument: 'auto_delete' })).toBeUndefined()
  })
})
