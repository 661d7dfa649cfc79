import { deadLetterSchema } from '@posthorn/schemas'
import { describe, expect, it } from 'vitest'
import { countHeader, deadLetterHeaders, forwardHeaders, retryHeaders } from '../../src/consumer/copyHeaders.js'
import type { DeadLetterReason, FailureFacts } from '../../src/consumer/copyHeaders.js'
import { createAjv } from '../../src/envelope/ajvSetup.js'
import { EnvelopeValidationError } from '../../src/errors.js'
import { createRandom } from '../fixtures.js'

const nowIso = '2026-01-01T12:00:00.000Z'
const facts = (more: Partial<FailureFacts> = {}): FailureFacts => ({
  attempt: 2,
  firstFailedAt: undefined,
  group: 'billing',
  origin: 'fake:orders.billing',
  nowIso,
  error: new Error('no'),
  ...more,
})
const letter = (original: Record<string, string> = {}, more: Partial<FailureFacts> = {}): Record<string, string> => ({
  ...deadLetterHeaders(original, facts(more), 'retriesExhausted'),
})

const ajv = createAjv()
const isDeadLetter = ajv.compile(deadLetterSchema)
const schemaProblems = (headers: object): unknown => (isDeadLetter(headers) ? [] : isDeadLetter.errors)

/** What brokers wrote on the way. */
const brokerHeaders = {
  'x-death': '[object Object]',
  'x-first-death-reason': 'expired',
  'x-first-death-queue': 'orders.billing',
  'x-last-death-reason': 'expired',
  'x-last-death-exchange': '',
  'x-delivery-count': '3',
  'x-acquired-count': '4',
}

/** What an earlier dead letter said of its own failure, when it was replayed as it stood. */
const staleHeaders = {
  'posthorn-reason': 'invalid',
  'posthorn-error-name': 'OldError',
  'posthorn-error-message': 'old',
  'posthorn-error-stack': 'old stack',
  'posthorn-issues': '[{"pointer":"/old"}]',
  'posthorn-not-before': '1',
  'posthorn-last-failed-at': '2020-01-01T00:00:00Z',
  'posthorn-group': 'mail',
  'posthorn-host': 'old-host',
}

describe('every copy', () => {
  const copies: Readonly<Record<string, (original: Record<string, string>) => Record<string, string>>> = {
    retry: (original) => ({ ...retryHeaders(original, facts(), undefined) }),
    forward: (original) => ({ ...forwardHeaders(original) }),
    'dead letter': (original) => letter(original),
  }
  for (const [what, copy] of Object.entries(copies)) {
    it(`keeps foreign headers, and leaves those of brokers behind: ${what}`, () => {
      const own = {
        tenant: 'acme',
        traceparent: '00-1',
        'x-delay': '5',
        'x-deliver': 'y',
        ce_id: '1',
        'X-Death': 'mine',
      }
      expect(copy({ ...own, ...brokerHeaders })).toMatchObject(own)
      expect(Object.keys(copy({ ...own, ...brokerHeaders })).filter((name) => name in brokerHeaders)).toEqual([])
    })

    it(`does not change the original, and takes no prototype from it: ${what}`, () => {
      const original = Object.freeze(JSON.parse('{"__proto__":"x","tenant":"acme"}') as Record<string, string>)
      const headers = copy(original)
      expect(headers['tenant']).toBe('acme')
      expect(Object.getPrototypeOf(headers)).toBe(Object.prototype)
    })
  }
})

describe('a retry copy', () => {
  it('says the attempt to come, where the message stood, and since when it fails', () => {
    expect(retryHeaders({ tenant: 'acme' }, facts({ attempt: 3 }), 1_000.2)).toEqual({
      tenant: 'acme',
      'posthorn-wire': '1',
      'posthorn-attempt': '3',
      'posthorn-origin': 'fake:orders.billing',
      'posthorn-first-failed-at': nowIso,
      'posthorn-not-before': '1001',
    })
  })

  it('says nothing of an earlier failure', () => {
    const stale = Object.keys(retryHeaders(staleHeaders, facts(), undefined)).filter((name) => name in staleHeaders)
    expect(stale).toEqual([])
  })

  it('keeps origin and first failure over three rungs, and counts', () => {
    let headers: Readonly<Record<string, string>> = { tenant: 'acme' }
    const later = (hour: number): string => `2026-01-01T1${hour}:00:00.000Z`
    for (const attempt of [2, 3, 4]) {
      const about = facts({ attempt, nowIso: later(attempt), origin: `fake:rung-${attempt}` })
      headers = retryHeaders({ ...headers, ...brokerHeaders }, about, undefined)
    }
    expect(headers).toEqual({
      tenant: 'acme',
      'posthorn-wire': '1',
      'posthorn-attempt': '4',
      'posthorn-origin': 'fake:rung-2',
      'posthorn-first-failed-at': later(2),
    })
    expect(letter({ ...headers }, { attempt: 4, nowIso: later(5) })).toMatchObject({
      'posthorn-attempt': '4',
      'posthorn-origin': 'fake:rung-2',
      'posthorn-first-failed-at': later(2),
      'posthorn-last-failed-at': later(5),
    })
  })
})

describe('the first failure', () => {
  const firstFailedAt = (header: string | undefined, known?: string): string | undefined => {
    const original = header === undefined ? {} : { 'posthorn-first-failed-at': header }
    return letter(original, { firstFailedAt: known })['posthorn-first-failed-at']
  }

  it('is what the first copy said, else what this process saw, else now', () => {
    expect(firstFailedAt('2025-12-31T23:00:00Z', '2026-01-01T10:00:00.000Z')).toBe('2025-12-31T23:00:00Z')
    expect(firstFailedAt(undefined, '2026-01-01T10:00:00.000Z')).toBe('2026-01-01T10:00:00.000Z')
    expect(firstFailedAt(undefined)).toBe(nowIso)
  })

  it('is not what a stranger wrote that is no time', () => {
    const nonsense = ['', 'yesterday', '1767225600000', '2026-01-01', '2026-01-01T10:00:00+01:00', '2026-13-01T10:00:00Z', '2026-02-30T10:00:00Z', '2026-01-01T25:00:00Z', `2026-01-01T10:00:00Z\r\n`] // prettier-ignore
    expect(nonsense.filter((text) => firstFailedAt(text) !== nowIso)).toEqual([])
  })
})

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
        issues: Array.from({ length: count }, (_, index) => ({ pointer: `/data/${index}${'x'.repeat(length)}`, keyword: 'type', message: 'must be string' })), // prettier-ignore
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

  const reasons: DeadLetterReason[] = ['undecodable', 'foreign', 'invalid', 'unhandledType', 'nonRetryable', 'retriesExhausted', 'expired', 'crashLoop', 'rejected'] // prettier-ignore
  it('obeys its schema for every reason', () => {
    for (const reason of reasons) {
      expect(schemaProblems({ ...deadLetterHeaders({}, facts({ attempt: 0 }), reason) })).toEqual([])
    }
  })

  it('obeys its schema whatever a stranger wrote, and whatever was thrown (random)', () => {
    const random = createRandom(53)
    const pick = <T>(...choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!
    const names = ['wire', 'attempt', 'first-failed-at', 'last-failed-at', 'not-before', 'origin', 'reason', 'error-name', 'error-message', 'error-stack', 'group', 'host', 'issues'] // prettier-ignore
    const failed: unknown[] = []
    for (let run = 0; run < 2_000; run += 1) {
      const original: Record<string, string> = {}
      for (const name of names) {
        const value = pick('', '0', '-1', '7', '999999999999', '1e3', '2', '[]', '2026-99-99T99:99:99Z', '\u0000', 'x'.repeat(3_000)) // prettier-ignore
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

describe('a count in a header', () => {
  it('is a whole number from 1, in decimal, and nothing else', () => {
    const count = (value: string): number | undefined => countHeader({ n: value }, 'n')
    expect(['1', '42', '999999999'].map(count)).toEqual([1, 42, 999999999])
    expect(countHeader({ n: '1767225600000' }, 'n', 15)).toBe(1767225600000)
    const others = ['0', '-1', '+1', '1.0', '1e3', '0x10', ' 1', '1 ', '01', '', 'NaN', '1'.repeat(10), '１', '1\n']
    expect(others.filter((value) => count(value) !== undefined)).toEqual([])
    expect(countHeader({}, 'n')).toBeUndefined()
    expect(countHeader({}, 'constructor')).toBeUndefined()
  })
})
