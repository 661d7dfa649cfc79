import { describe, expect, test } from 'vitest'
import { attributeProblem, destinationProblem, groupProblem } from '../src/names.js'
import { maxDestinationLength, maxGroupLength, maxIdBytes } from '../src/names.js'

describe('destinations', () => {
  const good = [
    'orders',
    'a',
    'A.b_c-9',
    'd'.repeat(100),
    'retry.orders',
    'orders.retrying',
    'deadline',
    'x.dead.y',
    '1',
  ]
  test.each([...good, 'orders.retry.5000a', 'orders.entry.5000'])('%s works on every transport', (name) => {
    expect(destinationProblem(name)).toBeUndefined()
  })

  const characters = ['', 'a b', 'a/b', 'a:b', 'ä', 'orders\n', 'd'.repeat(101), '*', '#']
  test.each(characters)('%j has characters or a length that a broker refuses', (name) => {
    expect(destinationProblem(name)).toContain('1 to 100 characters')
  })

  test.each(['.', '..'])('%s is refused by Kafka', (name) => {
    expect(destinationProblem(name)).toContain('Kafka')
  })

  test('amq. at the start is refused by RabbitMQ', () => {
    expect(destinationProblem('amq.topic')).toContain('RabbitMQ')
    expect(destinationProblem('my.amq.topic')).toBeUndefined()
  })

  test.each(['retry', 'dead', 'orders.retry', 'orders.dead', 'a.b.dead', 'orders.billing.retry.5000', 'retry.0'])(
    '%s would be mistaken for one of our own queues',
    (name) => expect(destinationProblem(name)).toContain('reserved'),
  )

  test.each([undefined, null, 1, {}, ['orders'], Symbol('orders')])(
    'a value that is no string is named by its type',
    (name) => {
      expect(destinationProblem(name)).toContain(`of type ${typeof name}`)
    },
  )
})

describe('groups', () => {
  test.each(['billing', 'A_b-9', 'g'.repeat(64), 'retrying', '5000'])('%s works', (name) => {
    expect(groupProblem(name)).toBeUndefined()
  })

  test.each(['', 'a.b', 'a b', 'g'.repeat(65), 'billing\n', 7])('%j is refused', (name) => {
    expect(groupProblem(name)).toContain('1 to 64 characters')
  })

  test.each(['retry', 'dead'])('%s is reserved', (name) => expect(groupProblem(name)).toContain('reserved'))
})

test('the longest names leave room for group, rung and suffix within Kafka’s 249 characters and AMQP’s 255 bytes', () => {
  const destination = 'd'.repeat(maxDestinationLength)
  const group = 'g'.repeat(maxGroupLength)
  expect([destinationProblem(destination), groupProblem(group)]).toEqual([undefined, undefined])
  const longestDelay = Number.MAX_SAFE_INTEGER
  for (const name of [`${destination}.${group}.retry.${longestDelay}`, `${destination}.${group}.dead`]) {
    expect(name.length).toBeLessThanOrEqual(249)
    expect(name).toMatch(/^[A-Za-z0-9._-]+$/)
  }
})

describe('ids and types', () => {
  test.each(['a', 'i'.repeat(255), 'ä'.repeat(127), '中'.repeat(85), '📯'.repeat(63), 'with space'])(
    '%j has at most 255 bytes',
    (value) => expect(attributeProblem('id', value)).toBeUndefined(),
  )

  test.each(['i'.repeat(256), 'ä'.repeat(128), '中'.repeat(86), '📯'.repeat(64)])('%j has more', (value) => {
    expect(attributeProblem('id', value)).toContain(`${maxIdBytes} bytes`)
  })

  test.each(['\u0000', 'a\nb', 'a\u007f', '\u0085', '\u009f'])('%j has control characters', (value) => {
    expect(attributeProblem('type', value)).toContain('control characters')
  })

  test.each(['\ud83d', 'a\udcef', '\udcef\ud83d'])('%j has a surrogate that UTF-8 cannot carry', (value) => {
    expect(attributeProblem('type', value)).toContain('surrogates')
  })

  test.each(['', undefined, null, 5, {}])('%j is no string or empty', (value) => {
    expect(attributeProblem('type', value)).toContain('type must be a string')
  })
})
