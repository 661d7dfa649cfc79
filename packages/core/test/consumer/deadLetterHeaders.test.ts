import { deadLetterSchema } from '@posthorn/schemas'
import { describe, expect, it } from 'vitest'
import { countHeader, deadLetterHeaders } from '../../src/consumer/copyHeaders.js'
import type { DeadLetterReason } from '../../src/consumer/copyHeaders.js'
import { createAjv } from '../../src/envelope/ajvSetup.js'
import { EnvelopeValidationError } from '../../src/errors.js'
import { facts, letter, nowIso, staleHeaders } from '../copies.js'
import { seededRandom } from '../../../../test/seededRandom.js'

const ajv = createAjv()
const isDeadLetter = ajv.compile(deadLetterSchema)
const schemaProblems = (headers: object): unknown => (isDeadLetter(headers) ? [] : isDeadLetter.errors)

describe('a dead letter', () => {
  it('says why, where and when, and nothing of an earlier one', () => {
    const headers = letter({ ...staleHeaders, tenant: 'acme' }, { error: new RangeError('too far'), attempt: 5 })
    expect(headers).toMatchObject({
      tenant: 'acme',
      'posthorn-wire': '1',
      'posthorn-reason': 'retriesExhausted',
      'posthorn-attempt': '5',
      'posthorn-group': 'billing',
      'posthorn-error-name': 'RangeError',
      'posthorn-error-message': 'too far',
      'posthorn-last-failed-at': nowIso,
    })
    const stale = Object.entries(staleHeaders).filter(([name, value]) => headers[name] === value)
    expect(stale).toEqual([])
    expect(letter(staleHeaders, { error: 'text' })['posthorn-error-stack']).toBeUndefined()
  })

  it('has as many issues as fit, as JSON that stays whole', () => {
    const issues = (count: number, length: number): EnvelopeValidationError =>
      new EnvelopeValidationError({
        code: 'POSTHORN_INVALID_DATA',
        message: 'invalid',
        issues: Array.from({ length: count }, (_, index) => ({
          pointer: `/data/${index}${'x'.repeat(length)}`,
          keyword: 'type',
          message: 'must be string',
        })),
      })
    const listOf = (error: unknown): unknown[] => JSON.parse(letter({}, { error })['posthorn-issues']!) as unknown[]
    expect(listOf(issues(3, 0))).toHaveLength(3)
    expect(listOf(issues(20, 1_000))).toHaveLength(3)
    expect(listOf(issues(1, 10_000))).toEqual([])
    expect(listOf(issues(0, 0))).toEqual([])
  })

  it('adds at most 32 KiB of its own, whatever was thrown', () => {
    const wide = '\u{1F984}'.repeat(1e5)
    const error = Object.assign(new Error(wide), { name: wide, stack: wide, code: 'POSTHORN_INVALID_DATA' })
    const issues = Array.from({ length: 20 }, () => ({ pointer: wide.slice(0, 400), keyword: 'x', message: 'x' }))
    const headers = letter({}, { error: Object.assign(error, { issues }) })
    const bytes = Object.entries(headers).reduce((sum, [name, value]) => sum + Buffer.byteLength(name + value), 0)
    expect(bytes).toBeLessThan(32_768)
  })

  const reasons: DeadLetterReason[] = [
    'undecodable',
    'foreign',
    'invalid',
    'unhandledType',
    'nonRetryable',
    'retriesExhausted',
    'expired',
    'crashLoop',
    'rejected',
  ]
  it('obeys its schema for every reason', () => {
    for (const reason of reasons) {
      expect(schemaProblems({ ...deadLetterHeaders({}, facts({ attempt: 0 }), reason) })).toEqual([])
    }
  })

  it('obeys its schema whatever a stranger wrote, and whatever was thrown (random)', () => {
    const random = seededRandom(53)
    const pick = <T>(...choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!
    const names = [
      'wire',
      'attempt',
      'first-failed-at',
      'last-failed-at',
      'not-before',
      'origin',
      'reason',
      'error-name',
      'error-message',
      'error-stack',
      'group',
      'host',
      'issues',
    ]
    const failed: unknown[] = []
    for (let run = 0; run < 2_000; run += 1) {
      const original: Record<string, string> = {}
      for (const name of names) {
        const value = pick(
          '',
          '0',
          '-1',
          '7',
          '999999999999',
          '1e3',
          '2',
          '[]',
          '2026-99-99T99:99:99Z',
          '\u0000',
          'x'.repeat(3_000),
        )
        if (random() < 0.4) original[`posthorn-${name}`] = value
      }
      // As the pipeline does: the attempt of a message is what its header says.
      const attempt = countHeader(original, 'posthorn-attempt') ?? 1
      const error = pick<unknown>(
        undefined,
        null,
        'x',
        new Error(''),
        { name: 7, stack: 7 },
        new Error('x'.repeat(9e3)),
      )
      const problems = schemaProblems(letter(original, { attempt, error }))
      if (JSON.stringify(problems) !== '[]') failed.push([original, problems])
    }
    expect(failed.slice(0, 3)).toEqual([])
  })
})
