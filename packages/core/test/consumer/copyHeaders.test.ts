import { describe, expect, it } from 'vitest'
import { countHeader, forwardHeaders, retryHeaders } from '../../src/consumer/copyHeaders.js'
import { brokerHeaders, facts, letter, nowIso, staleHeaders } from '../copies.js'

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
    const nonsense = [
      '',
      'yesterday',
      '1767225600000',
      '2026-01-01',
      '2026-01-01T10:00:00+01:00',
      '2026-13-01T10:00:00Z',
      '2026-02-30T10:00:00Z',
      '2026-01-01T25:00:00Z',
      `2026-01-01T10:00:00Z\r\n`,
    ]
    expect(nonsense.filter((text) => firstFailedAt(text) !== nowIso)).toEqual([])
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
