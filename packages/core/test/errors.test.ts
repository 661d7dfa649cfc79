import { describe, expect, it } from 'vitest'
import { errorCodes } from '../src/errorCodes.js'
import * as errors from '../src/errors.js'
import { codeOf, ConfigurationError, EnvelopeValidationError, NonRetryableError, PublishError } from '../src/errors.js'
import type { ErrorCode } from '../src/index.js'

const codes = Object.keys(errorCodes) as ErrorCode[]

describe('errors', () => {
  it('are named after their class, and retryable as the table says, unless they say more', () => {
    const error = new PublishError({ code: 'POSTHORN_PUBLISH_REFUSED', outcome: 'notSent', message: 'full' })
    expect(error).toMatchObject({ name: 'PublishError', retryable: true, outcome: 'notSent', details: {} })
    expect(new PublishError({ code: 'POSTHORN_PUBLISH_REFUSED', outcome: 'notSent', message: 'x', retryable: false })) //
      .toMatchObject({ retryable: false })
    expect('cause' in error).toBe(false)
    expect(error.stack).toContain('errors.test')
  })

  it('keep a cause of every kind, also a falsy one', () => {
    for (const cause of [new Error('x'), 'text', 0, null, false]) {
      expect(new NonRetryableError('x', { cause }).cause).toBe(cause)
    }
  })

  it('list problems and issues where programs look for them', () => {
    const issues = [{ pointer: '/data', keyword: 'type', message: 'must be object' }]
    const invalid = new EnvelopeValidationError({
      code: 'POSTHORN_INVALID_DATA',
      message: 'x',
      issues,
      details: { type: 't' },
    })
    expect(invalid).toMatchObject({ issues, details: { type: 't', issues } })
    expect(new ConfigurationError('It', ['a', 'b']).details).toEqual({ problems: ['a', 'b'] })
  })
})

describe('codeOf', () => {
  it('knows every code of the table, whoever made the error', () => {
    expect(codes.map((code) => codeOf({ code }))).toEqual(codes)
    expect(codeOf(new ConfigurationError('It', []))).toBe('POSTHORN_CONFIGURATION')
  })

  it('knows no other', () => {
    const throwing = Object.defineProperty({}, 'code', {
      get: () => {
        throw new Error('hands off')
      },
    })
    const others: unknown[] = [
      undefined,
      null,
      'POSTHORN_STOPPED',
      {},
      { code: 'ECONNRESET' },
      { code: 'toString' },
      { code: 1 },
      throwing,
    ]
    expect(others.map((value) => codeOf(value))).toEqual(others.map(() => undefined))
  })
})

describe('the table of codes', () => {
  it('names classes that exist, and sentences that end', () => {
    for (const [code, facts] of Object.entries(errorCodes)) {
      expect(errors, code).toHaveProperty(facts.class)
      expect(facts.meaning, code).toMatch(/[.]$/)
      expect(code).toMatch(/^POSTHORN_[A-Z]+(_[A-Z]+)*$/)
    }
  })

  it('has a code for every class that is thrown', () => {
    const classes = Object.entries(errors).filter(
      ([, value]) => typeof value === 'function' && value.prototype instanceof Error,
    )
    const used = new Set(Object.values(errorCodes).map((facts) => facts.class))
    expect(classes.map(([name]) => name).filter((name) => name !== 'PosthornError' && !used.has(name))).toEqual([])
  })
})
