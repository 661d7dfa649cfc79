import { describe, expect, it } from 'vitest'
import { createRetryPolicy, hintOfOutcome } from '../../src/consumer/retryPolicy.js'
import type { RetryOptions, Verdict } from '../../src/consumer/retryPolicy.js'
import { ConfigurationError, EnvelopeValidationError, NonRetryableError, PublishError } from '../../src/errors.js'
import { retryAfter } from '../../src/index.js'
import { seededRandom } from '../../../../test/seededRandom.js'

const judge = (options: RetryOptions, attempt: number, error: unknown = new Error('no'), hintMs?: number): Verdict =>
  createRetryPolicy(options).judge({ error, attempt, hintMs })
const retry = (delayMs: number, hinted = false): Verdict => ({ kind: 'retry', delayMs, hinted })
const exhausted: Verdict = { kind: 'deadLetter', reason: 'retriesExhausted' }
const hopeless: Verdict = { kind: 'deadLetter', reason: 'nonRetryable' }

describe('the ladder', () => {
  it('gives one delay per retry, and ends', () => {
    const ladder = { delaysMs: [0, 1_000, 1_000, 5_000] }
    expect([1, 2, 3, 4, 5, 6].map((attempt) => judge(ladder, attempt))).toEqual([
      retry(0),
      retry(1_000),
      retry(1_000),
      retry(5_000),
      exhausted,
      exhausted,
    ])
    expect(createRetryPolicy(ladder)).toMatchObject({ maxAttempts: 5, rungsMs: [1_000, 5_000] })
  })

  it('by default repeats at once, then after 1, 5 and 30 seconds', () => {
    expect(createRetryPolicy({})).toMatchObject({ maxAttempts: 5, rungsMs: [1_000, 5_000, 30_000] })
    expect([1, 2, 3, 4, 5].map((attempt) => judge({}, attempt))).toEqual(
      [0, 1_000, 5_000, 30_000].map((delay) => retry(delay)).concat(exhausted),
    )
  })

  it('without delays gives up at the first failure, and needs no rung', () => {
    expect(judge({ delaysMs: [] }, 1)).toEqual(exhausted)
    expect(createRetryPolicy({ delaysMs: [] })).toMatchObject({ maxAttempts: 1, rungsMs: [] })
  })
})

describe('a hopeless failure', () => {
  const list: Readonly<Record<string, unknown>> = {
    NonRetryableError: new NonRetryableError('no'),
    'invalid data of a follow-up': new EnvelopeValidationError({
      code: 'POSTHORN_INVALID_DATA',
      message: 'x',
      issues: [],
    }),
    'wrong options of a follow-up': new ConfigurationError('publish', ['x']),
    'an error of another copy of the package': { code: 'POSTHORN_NON_RETRYABLE' },
    'a result that is no outcome': { code: 'POSTHORN_HANDLER_RESULT' },
    'data without a JSON form': { code: 'POSTHORN_UNSERIALIZABLE' },
  }
  for (const [what, error] of Object.entries(list)) {
    it(`is not repeated, whatever it asks for: ${what}`, () => {
      expect(judge({ delaysMs: [0] }, 1, error)).toEqual(hopeless)
      expect(judge({ delaysMs: [0] }, 1, error, 500)).toEqual(hopeless)
    })
  }

  it('is one that isNonRetryable says true to, and nothing else', () => {
    const options = { delaysMs: [0], isNonRetryable: (error: unknown) => error === 'fatal' }
    expect(judge(options, 1, 'fatal')).toEqual(hopeless)
    expect(judge(options, 1, 'other')).toEqual(retry(0))
    expect(judge({ delaysMs: [0], isNonRetryable: () => 'yes' as never }, 1)).toEqual(retry(0))
  })

  it('is not made by an isNonRetryable that throws', () => {
    const throwing = (): never => {
      throw new Error('classifier')
    }
    expect(judge({ delaysMs: [0], isNonRetryable: throwing }, 1)).toEqual(retry(0))
  })

  it('is none that comes of a broker', () => {
    const refused = new PublishError({ code: 'POSTHORN_PUBLISH_REFUSED', outcome: 'notSent', message: 'full' })
    expect(judge({ delaysMs: [0] }, 1, refused)).toEqual(retry(0))
    for (const error of [undefined, null, 'text', 7, Object.create(null)]) {
      expect(judge({ delaysMs: [0] }, 1, error)).toEqual(retry(0))
    }
  })
})

describe('a hint', () => {
  const ladder = { delaysMs: [1_000, 5_000] }

  it('wins over the ladder, and counts as one of its attempts', () => {
    expect(judge(ladder, 1, undefined, 300)).toEqual(retry(300, true))
    expect(judge(ladder, 1, { retryAfterMs: 2_000 })).toEqual(retry(2_000, true))
    expect(judge(ladder, 1, { retryAfterMs: 2_000 }, 300)).toEqual(retry(300, true))
    expect(judge(ladder, 1, undefined, 0)).toEqual(retry(0, true))
    expect(judge(ladder, 3, undefined, 300)).toEqual(exhausted)
  })

  it('is cut to maxRetryAfterMs, and without it to the largest delay', () => {
    expect(judge(ladder, 1, undefined, 1e9)).toEqual(retry(5_000, true))
    expect(judge({ ...ladder, maxRetryAfterMs: 60_000 }, 1, undefined, 1e9)).toEqual(retry(60_000, true))
    expect(judge({ delaysMs: [0] }, 1, undefined, 1e9)).toEqual(retry(0, true))
  })

  it('that is no time is none', () => {
    const throwing = Object.defineProperty({}, 'retryAfterMs', {
      get: () => {
        throw new Error('hands off')
      },
    })
    for (const value of [-1, Number.NaN, Infinity, '5', 5n, null, new Date()]) {
      expect(judge(ladder, 1, { retryAfterMs: value })).toEqual(retry(1_000))
      expect(hintOfOutcome(retryAfter(value as number))).toBeUndefined()
    }
    expect(judge(ladder, 1, throwing)).toEqual(retry(1_000))
    expect(hintOfOutcome(retryAfter(7))).toBe(7)
  })
})

describe('rungs', () => {
  const rungsOf = (options: RetryOptions): readonly number[] => createRetryPolicy(options).rungsMs

  it('are the ladder’s delays, once each, ascending, without 0', () => {
    expect(rungsOf({ delaysMs: [0, 0, 500, 500, 2_000] })).toEqual([500, 2_000])
    expect(rungsOf({ delaysMs: [0] })).toEqual([])
  })

  it('are added for hints at 1 m, 10 m, 1 h, 6 h and maxRetryAfterMs itself, and only when asked', () => {
    expect(rungsOf({ delaysMs: [1_000], maxRetryAfterMs: 59_999 })).toEqual([1_000, 59_999])
    expect(rungsOf({ delaysMs: [1_000], maxRetryAfterMs: 3_600_000 })).toEqual([1_000, 60_000, 600_000, 3_600_000])
    expect(rungsOf({ delaysMs: [90_000], maxRetryAfterMs: 86_400_000 })).toEqual([
      60_000, 90_000, 600_000, 3_600_000, 21_600_000, 86_400_000,
    ])
    expect(rungsOf({ delaysMs: [86_400_000] })).toEqual([86_400_000])
  })

  it('exist also where only maxRetryAfterMs is given', () => {
    expect(rungsOf({ maxRetryAfterMs: 60_000 })).toEqual([1_000, 5_000, 30_000, 60_000])
    expect(judge({ maxRetryAfterMs: 60_000 }, 1, undefined, 1e9)).toEqual(retry(60_000, true))
    expect(judge({ maxRetryAfterMs: 60_000 }, 4)).toEqual(retry(30_000))
  })

  it('exist for hints of a ladder that has none itself', () => {
    expect(rungsOf({ delaysMs: [0], maxRetryAfterMs: 20_000 })).toEqual([20_000])
    expect(rungsOf({ delaysMs: [], maxRetryAfterMs: 0 })).toEqual([])
  })

  it('are chosen the largest that fits, else the smallest', () => {
    const policy = createRetryPolicy({ delaysMs: [1_000, 5_000] })
    const chosen = [0.5, 999, 1_000, 4_999, 5_000, 1e9].map((remaining) => policy.rungFor(remaining))
    expect(chosen).toEqual([1_000, 1_000, 1_000, 1_000, 5_000, 5_000])
    expect(createRetryPolicy({ delaysMs: [0] }).rungFor(5)).toBeUndefined()
  })

  it('bring every hint home, late by less than the smallest rung, never early (random)', () => {
    const random = seededRandom(31)
    for (let run = 0; run < 500; run += 1) {
      const number = (max: number): number => Math.floor(random() * max)
      const delaysMs = Array.from({ length: 1 + number(4) }, () => 100 + number(50_000)).toSorted((a, b) => a - b)
      const policy = createRetryPolicy({ delaysMs, maxRetryAfterMs: delaysMs.at(-1)! + number(5_000_000) })
      const verdict = policy.judge({ error: undefined, attempt: 1, hintMs: 1 + number(5_000_000) })
      if (verdict.kind !== 'retry') return expect.unreachable()
      let remaining = verdict.delayMs
      while (remaining > 0) {
        const rung = policy.rungFor(remaining)!
        if (!policy.rungsMs.includes(rung)) expect.unreachable(`${rung} is no rung`)
        remaining -= rung
      }
      if (-remaining >= policy.rungsMs[0]!) expect.unreachable(`${-remaining} ms late with ${policy.rungsMs.join()}`)
    }
  })
})
