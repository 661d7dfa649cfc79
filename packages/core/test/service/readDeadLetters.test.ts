import { describe, expect, it } from 'vitest'
import type { VirtualClock } from '@posthorn/memory'
import type { Capabilities, Subscription } from '../../src/ports.js'
import type { Service } from '../../src/service/service.js'
import { createFakeTransport, createGate, never } from '../fakeTransport.js'
import type { FakeDelivery } from '../fakeTransport.js'
import { createRecordingLogger, headersOf, messageOf, orderPlaced } from '../fixtures.js'
import { isSettled } from '../rejections.js'
import { createBench } from '../serviceBench.js'

interface Reading {
  readonly service: Service
  readonly clock: VirtualClock
  /** Each call of the handler. */
  readonly calls: { readonly index: number; readonly at: number }[]
  /** Delivers dead letters that are numbered on. */
  deliver(count: number, body?: Buffer): FakeDelivery[]
  events(name: string): unknown[]
  subscription(): Subscription
}

/** A started reader, whose handler gets the number of the dead letter. */
async function reading(
  handler: (index: number) => void | Promise<void>,
  capabilities: Partial<Capabilities> = {},
  lost?: AbortSignal,
): Promise<Reading> {
  const logger = createRecordingLogger()
  const transport = createFakeTransport(capabilities)
  const { service, clock } = createBench({ transport, logger })
  const calls: { index: number; at: number }[] = []
  const start = clock.monotonic()
  let count = 0
  service.readDeadLetters({ destination: 'orders', group: 'billing' }, ({ headers }) => {
    const index = Number(headers['index'])
    calls.push({ index, at: clock.monotonic() - start })
    return handler(index)
  })
  await service.start()
  return {
    service,
    clock,
    calls,
    deliver: (more, body = Buffer.from('x')) =>
      transport.deliverAll(
        Array.from({ length: more }, () => ({
          body,
          headers: headersOf({ index: `${count++}` }),
          ...(lost === undefined ? {} : { lost }),
        })),
      ),
    events: (name) => logger.records.filter(({ facts }) => facts['event'] === name).map(({ facts }) => facts),
    subscription: () => transport.subscriptions[0]!.subscription,
  }
}

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

  it('asks again for a dead letter that its handler refuses, after waits that grow, and gives it back after minutes', async () => {
    const { calls, clock, deliver } = await reading(() => {
      throw new Error('no')
    })
    const [delivery] = deliver(1)
    await clock.advance(242_000)
    expect(calls.map(({ at }) => at)).toEqual([0, 1, 3, 7, 15, 31, 63, 123, 183].map((second) => second * 1_000))
    expect(delivery!.ends).toEqual([])
    await clock.advance(1_000)
    expect(delivery!.ends).toEqual(['release'])
    await clock.advance(600_000)
    expect(delivery!.ends).toEqual(['release'])
  })

  it('gives it back in time where the broker takes back what is held for long', async () => {
    const fails = (): void => {
      throw new Error('no')
    }
    const { calls, clock, deliver } = await reading(fails, { maxHoldMs: 20_000 })
    const [delivery] = deliver(1)
    await clock.advance(20_000)
    expect(delivery!.ends).toEqual(['release'])
    expect(calls).toHaveLength(3)
  })

  it('sees all that come while it has refused hundreds for good, a hundred at once', async () => {
    let running = 0
    let most = 0
    const { calls, clock, deliver } = await reading(async (index) => {
      running += 1
      most = Math.max(most, running)
      await Promise.resolve()
      running -= 1
      if (index < 900) throw new Error('stays')
    })
    const deliveries = deliver(1_000)
    await clock.advance(999)
    expect(new Set(calls.map(({ index }) => index)).size).toBe(1_000)
    expect(most).toBe(100)
    expect(deliveries.map(({ ends }) => ends[0])).toEqual(
      Array.from({ length: 1_000 }, (_, index) => (index < 900 ? undefined : 'complete')),
    )
  })

  it('says once that it sees no others when all that it may hold was refused, and again when that was over', async () => {
    let isOpen = false
    const { clock, deliver, events, subscription } = await reading(() => {
      if (!isOpen) throw new Error('stays')
    })
    const { maxInFlight, maxInFlightBytes } = subscription()
    deliver(maxInFlight - 1)
    await clock.advance(60_000)
    expect(events('deadLetter.full')).toEqual([])
    deliver(1)
    await clock.advance(120_000)
    expect(events('deadLetter.full')).toMatchObject([{ refused: maxInFlight, group: 'billing' }])
    isOpen = true
    await clock.advance(60_000)
    isOpen = false
    deliver(1, Buffer.alloc(maxInFlightBytes))
    await clock.advance(1)
    expect(events('deadLetter.full')).toMatchObject([{}, { refused: 1, bytes: maxInFlightBytes }])
  })

  it('forgets one that was lost while it rested: it is delivered again', async () => {
    const lost = new AbortController()
    const { calls, clock, deliver } = await reading(
      () => {
        throw new Error('no')
      },
      {},
      lost.signal,
    )
    deliver(1)
    await clock.advance(500)
    lost.abort()
    await clock.advance(600_000)
    expect(calls).toHaveLength(1)
  })

  it('gives back at a stop what rests and what waits', async () => {
    const gate = createGate()
    const { clock, deliver, service } = await reading((index) => {
      if (index === 0) throw new Error('no')
      return gate.promise
    })
    const deliveries = deliver(102)
    await clock.advance(10)
    const stopped = service.stop()
    await clock.advance(0)
    gate.open()
    await stopped
    const ends = deliveries.map((delivery) => delivery.ends)
    expect(ends).toEqual([['release'], ...Array.from({ length: 100 }, () => ['complete']), ['release']])
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
