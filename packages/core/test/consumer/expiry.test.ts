import { describe, expect, it } from 'vitest'
import type { Envelope } from '@posthorn/contracts'
import { expiryMs } from '../../src/consumer/expiry.js'
import { createEnvelopeValidator } from '../../src/envelope/envelopeValidator.js'
import { seededRandom } from '../../../../test/seededRandom.js'

const expiring = (expirytime: string): Envelope => ({
  specversion: '1.0',
  id: '1',
  source: '/s',
  type: 't',
  expirytime,
})
const expiry = (text: string): number => expiryMs(expiring(text))

describe('expiry', () => {
  it('never comes without an expirytime, or without an envelope', () => {
    expect(expiryMs(undefined)).toBe(Infinity)
    expect(expiryMs({ specversion: '1.0', id: '1', source: '/s', type: 't' })).toBe(Infinity)
  })

  it('comes at its time in every zone and spelling of RFC 3339', () => {
    const noon = Date.UTC(2026, 0, 1, 12)
    const spellings = [
      '2026-01-01T12:00:00Z',
      '2026-01-01t12:00:00z',
      '2026-01-01T13:30:00+01:30',
      '2026-01-01T00:00:00-12:00',
      '2026-01-01T12:00:00-00:00',
      '2026-01-01T12:00:00.000000000Z',
    ]
    expect(spellings.map(expiry)).toEqual(spellings.map(() => noon))
    expect(expiry('2026-01-01T12:00:00.25Z')).toBe(noon + 250)
  })

  it('comes in a leap second as well, in every zone', () => {
    const before = Date.UTC(2016, 11, 31, 23, 59, 59)
    expect(expiry('2016-12-31T23:59:60Z')).toBe(before)
    expect(expiry('2016-12-31t23:59:60.5z')).toBe(before + 500)
    expect(expiry('2017-01-01T08:59:60+09:00')).toBe(before)
  })

  it('is a time for everything that the envelope’s schema lets pass (random)', () => {
    const validate = createEnvelopeValidator()
    const random = seededRandom(41)
    const two = (max: number): string => String(Math.floor(random() * (max + 1))).padStart(2, '0')
    const pick = (...choices: string[]): string => choices[Math.floor(random() * choices.length)]!
    let valid = 0
    for (let run = 0; run < 3_000; run += 1) {
      const year = pick('0000', '0001', '1970', '2024', '2100', '9999')
      const zone = pick('Z', 'z', `+${two(23)}:${two(59)}`, `-${two(23)}:${two(59)}`)
      const fraction = pick('', '.1', '.999', '.123456789', `.${'9'.repeat(40)}`)
      const text = `${year}-${two(13)}-${two(32)}${pick('T', 't')}${two(24)}:${two(60)}:${two(61)}${fraction}${zone}`
      try {
        validate(expiring(text))
      } catch {
        continue
      }
      valid += 1
      if (Number.isNaN(expiry(text))) expect.unreachable(`${text} is no time`)
    }
    expect(valid).toBeGreaterThan(500)
  })
})
