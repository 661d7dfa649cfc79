import { describe, expect, it } from 'vitest'
import { never } from '../fakeTransport.js'
import { messageOf, orderPlaced } from '../fixtures.js'
import { isSettled } from '../rejections.js'
import { createBench } from '../serviceBench.js'

describe('reading dead letters', () => {
  it('gives facts and envelope, and completes after the handler', async () => {
    const { service, transport, clock } = createBench()
    const seen: unknown[] = []
    service.readDeadLetters({ destination: 'orders', group: 'billing' }, (letter) => void seen.push(letter))
    await service.start()
    expect(transport.subscriptions[0]?.subscription).toMatchObject({ source: 'dead', types: 'all', rungsMs: [] })
    const delivery = transport.deliver({
      ...messageOf(orderPlaced, { orderId: 'o-1' }, { id: 'e-1' }),
      headers: { 'posthorn-reason': 'retriesExhausted', 'posthorn-attempt': '4' },
    })
    await clock.advance(0)
    expect(seen).toMatchObject([{ reason: 'retriesExhausted', attempts: 4, envelope: { id: 'e-1' } }])
    expect(delivery.ends).toEqual(['complete'])
  })

  it('keeps a dead letter that its handler refuses, without spinning', async () => {
    const { service, transport, clock } = createBench()
    service.readDeadLetters({ destination: 'orders', group: 'billing' }, () => {
      throw new Error('no')
    })
    await service.start()
    const delivery = transport.deliver(messageOf(orderPlaced, { orderId: 'o-1' }))
    await clock.advance(999)
    expect(delivery.ends).toEqual([])
    await clock.advance(1)
    expect(delivery.ends).toEqual(['release'])
  })

  it('does not delay a stop beyond its deadline when a handler never ends, and does not complete its dead letter', async () => {
    const { service, transport, clock } = createBench()
    service.readDeadLetters({ destination: 'orders', group: 'billing' }, () => never())
    await service.start()
    const delivery = transport.deliver(messageOf(orderPlaced, { orderId: 'o-1' }))
    const stopped = service.stop({ deadlineMs: 1_000 })
    await clock.advance(1_000)
    expect(await isSettled(stopped)).toBe(true)
    expect(delivery.ends).not.toContain('complete')
  })

  it('hands over one whose body cannot be read', async () => {
    const { service, transport, clock } = createBench()
    const seen: unknown[] = []
    service.readDeadLetters({ destination: 'orders', group: 'billing' }, (letter) => void seen.push(letter.envelope))
    await service.start()
    const delivery = transport.deliver({ body: Buffer.from([0xff]), contentType: 'application/cloudevents+json' })
    await clock.advance(0)
    expect(seen).toEqual([undefined])
    expect(delivery.ends).toEqual(['complete'])
  })
})
