import { healthFrom, healthReason } from '@posthorn/core/adapter'
import type { HealthCode } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import { liveness, readiness } from '../src/index.js'
import type { HealthSubject } from '../src/index.js'

const saying = (...codes: HealthCode[]): HealthSubject => ({
  health: () => healthFrom(codes.map((code) => healthReason({ code, where: 'here', what: 'broken' }))),
})
const throwing: HealthSubject = {
  health() {
    throw new Error('password')
  },
}

describe('the answer to a readiness probe', () => {
  it('is 200 when every subject is ready, with all that they tell', () => {
    const health = { ...healthFrom([]), published: 7 }
    expect(readiness({ shop: { health: () => health }, relay: saying('keysParked') })).toMatchObject({
      status: 200,
      body: { ready: true, reasons: [{ subject: 'relay', code: 'keysParked' }], health: { shop: { published: 7 } } },
    })
  })

  it('is 503 when one is not, and says which and why', () => {
    const { status, body } = readiness({ shop: saying(), relay: saying('blocked') })
    expect([status, body.ready]).toEqual([503, false])
    expect(body.reasons).toMatchObject([{ subject: 'relay', code: 'blocked', where: 'here', what: 'broken' }])
    expect(body.reasons[0]?.next).toContain('broker')
  })

  it('is 503 when a health throws, without what it threw', () => {
    const answer = readiness({ shop: saying(), mine: throwing })
    expect(answer).toMatchObject({ status: 503, body: { reasons: [{ subject: 'mine', code: 'healthFailed' }] } })
    expect(JSON.stringify(answer)).not.toContain('password')
  })
})

describe('the answer to a liveness probe', () => {
  it.each(['connecting', 'blocked', 'paused', 'stopping', 'stopped', 'databaseAway', 'notStarted'] as const)(
    'is 200 for what is %s',
    (code) => {
      expect(liveness({ shop: saying(code) })).toEqual({ status: 200, body: { live: true, reasons: [] } })
    },
  )

  it('is 200 when a health throws: that says nothing about progress', () => {
    expect(liveness({ mine: throwing }).status).toBe(200)
  })

  it('is 503 when one makes no progress, with the reasons for that alone', () => {
    const { status, body } = liveness({ shop: saying('connecting', 'noProgress'), relay: saying('blocked') })
    expect([status, body.live]).toEqual([503, false])
    expect(body.reasons.map(({ subject, code }) => `${subject} ${code}`)).toEqual(['shop noProgress'])
  })

  it('believes a part of your own, with a code of its own', () => {
    const reason = { code: 'deadlock', where: 'part mine', what: 'two locks', next: 'restart' }
    const mine = { health: () => ({ ready: false, live: false, reasons: [reason] }) }
    expect(liveness({ mine })).toMatchObject({ status: 503, body: { reasons: [reason] } })
  })
})
