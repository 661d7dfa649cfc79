import { describe, expect, it } from 'vitest'
import { EnvelopeValidationError, NonRetryableError, PublishError, RetriesExhaustedError } from '../../src/errors.js'
import { codesOf, hiddenMessage, loggedError } from '../../src/logs/loggedError.js'

const secret = 'S3CR3T'

function publishError(cause: unknown): PublishError {
  return new PublishError({
    code: 'POSTHORN_PUBLISH_DEADLINE',
    outcome: 'unknown',
    message: 'amqp://user:hunter2@broker did not answer',
    details: { target: { destination: 'orders' }, password: secret, url: `amqp://u:${secret}@h` },
    cause,
  })
}

describe('an error in the log', () => {
  it('has name, message, code, stack and the facts of its kind', () => {
    const system = Object.assign(new Error('connect ECONNREFUSED'), {
      code: 'ECONNREFUSED',
      errno: -111,
      syscall: 'connect',
      address: '::1',
      port: 5672,
    })
    const logged = loggedError(system, false)
    expect(logged).toMatchObject({ name: 'Error', message: 'connect ECONNREFUSED', code: 'ECONNREFUSED', port: 5672 })
    expect(logged.stack).toMatch(/^Error: connect ECONNREFUSED\n {4}at /)
    const ours = loggedError(publishError(undefined), false)
    expect(ours).toMatchObject({
      name: 'PublishError',
      outcome: 'unknown',
      retryable: true,
      details: { target: { destination: 'orders' }, password: '***', url: 'amqp://***@h' },
    })
    expect(JSON.stringify(ours)).not.toContain(secret)
  })

  it('names the causes from the outside in, those of an AggregateError too', () => {
    const inner = new Error('inner', { cause: Object.assign(new TypeError('innermost'), { code: 'E_DEEP' }) })
    const logged = loggedError(new AggregateError([new RangeError('one'), inner], 'several'), false)
    expect(logged.name).toBe('AggregateError')
    expect(logged.causes?.map(({ name, message }) => `${name} ${message}`)).toEqual([
      'RangeError one',
      'Error inner',
      'TypeError innermost',
    ])
    expect(logged.stack?.match(/caused by: /g)).toHaveLength(3)
    expect(codesOf(inner)).toBe('Error/E_DEEP')
  })

  it('shows no credentials of any of them, in messages and stacks', () => {
    const cause = new AggregateError(
      [new Error(`postgres://app:${secret}@db/shop`), new Error(`Authorization: Bearer ${secret}`)],
      `password=${secret}`,
    )
    for (const hides of [true, false]) {
      const text = JSON.stringify(loggedError(new Error(`amqp://u:${secret}@h`, { cause }), hides))
      expect(text).not.toContain(secret)
    }
    expect(JSON.stringify(loggedError(cause, false))).toContain('postgres://***@db/shop')
  })

  it('leaves out what errors of others say, where that may quote data; ours are written out', () => {
    const own = new RetriesExhaustedError({
      code: 'POSTHORN_RETRIES_EXHAUSTED',
      message: 'All 3 attempts failed',
      cause: Object.assign(new TypeError(`no order ${secret}\n    at ${secret} (/a.js:1:1)`), { code: 'E_ORDER' }),
    })
    const logged = loggedError(own, true)
    expect(logged.message).toBe('All 3 attempts failed')
    expect(logged.causes).toEqual([{ name: 'TypeError', message: hiddenMessage, code: 'E_ORDER' }])
    expect(logged.stack).toContain('loggedError.test.ts')
    expect(JSON.stringify(logged)).not.toContain(secret)
    expect(JSON.stringify(loggedError(own, false))).toContain(secret)
  })

  it('takes what users derive from our classes for theirs', () => {
    class OrderGone extends NonRetryableError {}
    class Copied extends EnvelopeValidationError {}
    const copied = new Copied({ code: 'POSTHORN_INVALID_DATA', message: secret, issues: [] })
    for (const error of [new OrderGone(secret), new NonRetryableError(secret), copied]) {
      expect(loggedError(error, true).message).toBe(hiddenMessage)
    }
  })

  it('drops properties that it does not know, and codes that are no words', () => {
    const error = Object.assign(new Error('x'), {
      config: { headers: { Authorization: secret } },
      detail: `Key (email)=(${secret}) already exists`,
      parameters: [secret],
      code: `a ${secret}`,
      constraint: 'orders_pkey',
      [secret]: 1,
    })
    Object.defineProperty(error, 'name', { value: `a ${secret}\n` })
    const logged = loggedError(error, true)
    expect(logged).toMatchObject({ constraint: 'orders_pkey', name: 'Error' })
    expect(JSON.stringify(logged)).not.toContain(secret)
  })

  it('is made of whatever was thrown', () => {
    const throwing = new Proxy({}, { get: () => { throw new Error('no') } }) // prettier-ignore
    const cyclic = new Error('a')
    cyclic.cause = new Error('b', { cause: cyclic })
    const endless = Array.from({ length: 100 }).reduce<Error>(
      (cause, _, at) => new Error(`${at}`, { cause }),
      new Error('x'),
    )
    const values = [
      undefined,
      null,
      secret,
      4711n,
      Symbol(secret),
      {},
      [],
      throwing,
      cyclic,
      endless,
      new Error('x'.repeat(1e6)),
    ]
    for (const value of values) {
      const text = JSON.stringify(loggedError(value, true))
      expect(text.length).toBeLessThan(20_000)
      expect(text).not.toContain(secret)
    }
    expect(loggedError(undefined, false)).toMatchObject({ name: 'undefined' })
    expect(loggedError('said', false)).toMatchObject({ name: 'string', message: 'said' })
    expect(loggedError(cyclic, false).causes).toHaveLength(1)
  })
})
