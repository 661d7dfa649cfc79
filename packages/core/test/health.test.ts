import { describe, expect, it } from 'vitest'
import { askHealth, healthFrom, healthReason, joinHealth } from '../src/health.js'
import { healthCodes } from '../src/healthCodes.js'
import type { HealthCode } from '../src/healthCodes.js'
import { transportHealth } from '../src/transportHealth.js'

const reasonOf = (code: HealthCode): ReturnType<typeof healthReason> =>
  healthReason({ code, where: 'here', what: 'broken' })

describe('a health', () => {
  it.each(Object.keys(healthCodes) as HealthCode[])('is as ready and live as the table says of %s', (code) => {
    const { ready, live, reasons } = healthFrom([reasonOf('keysParked'), reasonOf(code)])
    const { ends, next } = healthCodes[code]
    expect([ready, live]).toEqual([ends === 'nothing', ends !== 'liveness'])
    expect(reasons[1]).toEqual({ code, where: 'here', what: 'broken', next })
  })

  it('tells no credentials, whoever wrote the text', () => {
    const what = 'amqp://app:s3cret@broker:5672 refused, password=s3cret'
    expect(JSON.stringify(healthReason({ code: 'connecting', where: 'transport x', what }))).not.toContain('s3cret')
  })

  it('without reasons is ready and live', () => {
    expect(healthFrom([])).toEqual({ ready: true, live: true, reasons: [] })
  })

  it('of several is as ready and live as the worst, and says the same only once', () => {
    const away = healthFrom([reasonOf('connecting')])
    const hangs = healthFrom([reasonOf('noProgress'), reasonOf('connecting')])
    expect(joinHealth([healthFrom([]), away])).toEqual({ ready: false, live: true, reasons: away.reasons })
    expect(joinHealth([away, hangs])).toMatchObject({
      ready: false,
      live: false,
      reasons: [{ code: 'connecting' }, { code: 'noProgress' }],
    })
  })
})

describe('asking for a health', () => {
  it('gives what is told, with facts of its own', () => {
    const told = { ready: true, live: true, reasons: [], lag: 3 }
    expect(askHealth('part mine', { health: () => told })).toEqual(told)
  })

  it('that throws gives one that is not ready, and ends no process', () => {
    const broken = askHealth('part mine', {
      health: () => {
        throw new Error('password')
      },
    })
    expect(broken).toMatchObject({ ready: false, live: true, reasons: [{ code: 'healthFailed', where: 'part mine' }] })
    expect(JSON.stringify(broken)).not.toContain('password')
  })

  it.each([
    ['no reason for not being ready', { ready: false, live: true, reasons: [] }, [false, true, 'notReady']],
    ['no reason for not being live', { ready: false, live: false, reasons: [] }, [false, false, 'notLive']],
    ['an empty object', {}, [false, true, 'notReady']],
    ['nothing', undefined, [false, true, 'healthFailed']],
  ])('gives a reason where there is %s', (_, told, expected) => {
    const { ready, live, reasons } = askHealth('part mine', { health: () => told as never })
    expect([ready, live, reasons[0]?.code]).toEqual(expected)
  })
})

describe('the health of a transport', () => {
  it.each([
    ['idle', 'notStarted'],
    ['connecting', 'connecting'],
    ['blocked', 'blocked'],
    ['closed', 'stopped'],
  ] as const)('that is %s says %s, is not ready, and is live', (state, code) => {
    expect(transportHealth({ system: 'x', state })).toMatchObject({
      ready: false,
      live: true,
      reasons: [{ code, where: 'transport x' }],
    })
  })

  it('says why, when the adapter knows', () => {
    expect(transportHealth({ system: 'x', state: 'blocked', why: 'low on memory' }).reasons[0]?.what).toBe(
      'low on memory',
    )
  })

  it('is not live only where new subscriptions get nothing of what the broker has', () => {
    expect(transportHealth({ system: 'x', state: 'ready' })).toEqual({ ready: true, live: true, reasons: [] })
    const starving = transportHealth({ system: 'x', state: 'ready', noDeliveries: 'orders.billing gets nothing' })
    expect(starving).toMatchObject({ ready: false, live: false, reasons: [{ code: 'noDeliveries' }] })
  })
})
