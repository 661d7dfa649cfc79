import { createService, OutboxError } from '@posthorn/core'
import { createMemory, createMemoryBroker, createVirtualClock } from '@posthorn/memory'
import { describe, expect, it } from 'vitest'
import { createMemoryStore, createRelay } from '../../src/index.js'
import type { ListenerEvents } from '../../src/index.js'
import { createBench, createTestLogger, createTestTransport, entriesOf, entryOf } from './bench.js'

const unavailable = (): OutboxError => new OutboxError({ code: 'POSTHORN_OUTBOX_UNAVAILABLE', message: 'away' })

describe('starting a relay', () => {
  it('refuses options that cannot work, all at once', () => {
    const refused = (): unknown => createRelay({ leaseMs: 1, maxInFlight: 0, other: true } as never)
    expect(refused).toThrow(expect.objectContaining({ code: 'POSTHORN_CONFIGURATION' }))
    expect(refused).toThrow(/other[^]*leaseMs|leaseMs[^]*maxInFlight[^]*store/)
  })

  it('is refused without a transport, twice, and after the stop', async () => {
    await expect(createRelay({ store: createMemoryStore() }).start()).rejects.toMatchObject({
      code: 'POSTHORN_CONFIGURATION',
    })
    const { relay } = createBench()
    await expect(relay.start({ other: 1 } as never)).rejects.toMatchObject({ code: 'POSTHORN_CONFIGURATION' })
    await relay.start()
    await expect(relay.start()).rejects.toMatchObject({ code: 'POSTHORN_ALREADY_STARTED' })
    await relay.stop()
    await expect(relay.start()).rejects.toMatchObject({ code: 'POSTHORN_STOPPED' })
  })

  it('rejects at once when the database is away, or waits for it', async () => {
    let isAway = true
    const { relay, clock, another } = createBench({
      decorate: (store) => ({ ...store, prepare: () => (isAway ? Promise.reject(unavailable()) : store.prepare()) }),
    })
    await expect(relay.start()).rejects.toMatchObject({ code: 'POSTHORN_OUTBOX_UNAVAILABLE' })
    const patient = another().relay
    const started = patient.start({ ifUnavailable: 'wait' })
    await clock.advance(5_000)
    expect(patient.health()).toMatchObject({ ready: false, state: 'starting' })
    isAway = false
    await clock.advance(20_000)
    await started
    expect(patient.health()).toMatchObject({ ready: true, leases: 8 })
  })

  it('rejects at its deadline when the database does not answer', async () => {
    const { relay, clock } = createBench({
      leaseMs: 60_000,
      decorate: (store) => ({ ...store, prepare: () => new Promise(() => {}) }),
    })
    const started = expect(relay.start({ deadlineMs: 1_000 })).rejects.toMatchObject({
      code: 'POSTHORN_OUTBOX_UNAVAILABLE',
    })
    await clock.advance(1_100)
    await started
  })

  it('rejects a schema that does not fit, whether it waits or not', async () => {
    const schema = new OutboxError({ code: 'POSTHORN_OUTBOX_SCHEMA', message: 'migrate' })
    const { relay } = createBench({ decorate: (store) => ({ ...store, prepare: () => Promise.reject(schema) }) })
    await expect(relay.start({ ifUnavailable: 'wait' })).rejects.toBe(schema)
  })

  it('writes as often as its `logs` say', async () => {
    const { relay, clock, logger } = createBench({
      logs: { maxRepeats: 1, repeatWindowMs: 1_000 },
      decorate: (store) => ({ ...store, prepare: () => Promise.reject(unavailable()) }),
    })
    const started = expect(relay.start({ ifUnavailable: 'wait' })).rejects.toMatchObject({ code: 'POSTHORN_STOPPED' })
    await clock.advance(900)
    expect(logger.records.filter(({ event }) => event === 'start.waiting')).toHaveLength(1)
    await clock.advance(200)
    expect(logger.records).toContainEqual(expect.objectContaining({ event: 'log.suppressed' }))
    await relay.stop()
    await started
    expect(() => createRelay({ store: createMemoryStore(), logs: { maxRepeats: 0 } })).toThrow(/maxRepeats/)
  })

  it('keeps its leases, though an attempt that failed leaves much later', async () => {
    let isAway = true
    let leave: (() => Promise<void>) | undefined
    const { relay, transport, commit, clock, store } = createBench({
      decorate: (inner) => ({
        ...inner,
        renew: (...args) => (isAway ? Promise.reject(unavailable()) : inner.renew(...args)),
        async leave(name) {
          if (leave !== undefined) return inner.leave(name)
          await new Promise<void>((resolve) => {
            leave = async () => resolve(await inner.leave(name))
          })
        },
      }),
    })
    const started = relay.start({ ifUnavailable: 'wait' })
    await clock.advance(0)
    isAway = false
    await clock.advance(1_000)
    await started
    const name = relay.health().relay
    await leave?.()
    // Another relay that asks now finds nothing that is free.
    expect(await store.renew('another', 1_000)).toMatchObject({ leases: [], relays: 2 })
    await commit(entriesOf('a', 2))
    await clock.advance(10_000)
    expect(relay.health()).toMatchObject({ relay: name, leases: 8, counts: { leasesLost: 0, removed: 2 } })
    expect(transport.sent).toEqual(['a-1', 'a-2'])
  })

  it('takes nothing once nobody waits for it any more', async () => {
    let answer: (() => void) | undefined
    const { relay, clock, store } = createBench({
      decorate: (inner) => ({
        ...inner,
        async prepare() {
          await new Promise<void>((resolve) => (answer = resolve))
          return inner.prepare()
        },
      }),
    })
    const started = expect(relay.start({ deadlineMs: 1_000 })).rejects.toMatchObject({
      code: 'POSTHORN_OUTBOX_UNAVAILABLE',
    })
    await clock.advance(1_100)
    await started
    answer?.()
    await clock.advance(100)
    expect(await store.renew('another', 1_000)).toMatchObject({ share: 8, relays: 1 })
  })

  it('ends when the relay is stopped meanwhile', async () => {
    const { relay, clock } = createBench({
      decorate: (store) => ({ ...store, prepare: () => Promise.reject(unavailable()) }),
    })
    const started = expect(relay.start({ ifUnavailable: 'wait' })).rejects.toMatchObject({ code: 'POSTHORN_STOPPED' })
    await clock.advance(1_000)
    await relay.stop()
    await started
  })
})

describe('stopping a relay', () => {
  it('settles, and ends the start, while the database does not answer', async () => {
    const { relay, clock } = createBench({
      decorate: (store) => ({ ...store, prepare: () => new Promise(() => {}) }),
    })
    const started = expect(relay.start({ ifUnavailable: 'wait' })).rejects.toMatchObject({ code: 'POSTHORN_STOPPED' })
    await clock.advance(100)
    const stopping = relay.stop()
    await clock.advance(1_000)
    await stopping
    await started
    expect(relay.health().state).toBe('stopped')
  })

  it('lets what is under way end, publishes nothing new, and gives the partitions back', async () => {
    const { relay, transport, commit, clock, store } = createBench()
    transport.answer = async () => {
      await new Promise<void>((resolve) => clock.schedule(3_000, resolve))
      return { routed: true }
    }
    await commit([...entriesOf('a', 3), entryOf('b', 1)])
    await relay.start()
    await clock.advance(10)
    const stopping = relay.stop()
    expect(relay.stop()).toBe(stopping)
    await clock.advance(5_000)
    await stopping
    expect(transport.confirmed.sort()).toEqual(['a-1', 'b-1'])
    expect((await store.stats()).depth).toBe(2)
    expect((await store.renew('next', 1_000)).leases).toHaveLength(8)
    expect(relay.health()).toMatchObject({ ready: false, state: 'stopped' })
    // What is left is the deadline of the transport's connect, which has been met.
    expect(clock.pending).toBe(1)
  })

  it('ends by its deadline when sends and the database hang', async () => {
    let isHanging = false
    const { relay, transport, commit, clock } = createBench({
      decorate: (store) => ({ ...store, leave: (name) => (isHanging ? new Promise(() => {}) : store.leave(name)) }),
    })
    transport.answer = () => new Promise(() => {})
    await commit(entriesOf('a', 3))
    await relay.start()
    await clock.advance(10)
    isHanging = true
    let isStopped = false
    const stopping = relay.stop({ deadlineMs: 2_000 }).then(() => (isStopped = true))
    await clock.advance(1_900)
    expect(isStopped).toBe(false)
    await clock.advance(200)
    await stopping
  })
})

describe('hints', () => {
  it('make entries go at once', async () => {
    const { relay, transport, commit, clock } = createBench()
    await relay.start()
    await clock.advance(500)
    await commit(entriesOf('a', 1))
    await clock.advance(5)
    expect(transport.sent).toEqual(['a-1'])
    expect(relay.health().listener).toBe('listening')
  })

  it('that are lost cost one poll, and the listener comes back with a look at once', async () => {
    const listeners: ListenerEvents[] = []
    const { relay, transport, commit, clock } = createBench({
      // Deaf: what it hears is what the test tells it.
      decorate: (store) => ({
        ...store,
        listen: async (events) => {
          listeners.push(events)
          return { close: async () => {} }
        },
      }),
    })
    await relay.start()
    await clock.advance(500)
    await commit(entriesOf('a', 1))
    await clock.advance(2_000)
    expect(transport.sent).toEqual(['a-1'])
    await commit(entriesOf('b', 1))
    listeners[0]?.onLost(new Error('terminated'))
    await clock.advance(0)
    expect(transport.sent).toEqual(['a-1', 'b-1'])
    expect(relay.health()).toMatchObject({ listener: 'lost', ready: true })
    await clock.advance(300)
    expect(listeners).toHaveLength(2)
    expect(relay.health()).toMatchObject({ listener: 'listening', counts: { listenersLost: 1 } })
    listeners[0]?.onHint()
    await clock.advance(1_000)
    const { reads } = relay.health().counts
    listeners[1]?.onHint()
    await clock.advance(5)
    expect(relay.health().counts.reads).toBe(reads + 1)
  })

  it('are done without where the store hears nothing, or nobody wants them', async () => {
    const deaf = createBench({ decorate: (store) => ({ ...store, listen: async () => undefined }) })
    const unwanted = createBench({ listen: false })
    for (const { relay, transport, commit, clock, logger } of [deaf, unwanted]) {
      await relay.start()
      await clock.advance(500)
      await commit(entriesOf('a', 1))
      await clock.advance(2_000)
      expect(transport.sent).toEqual(['a-1'])
      expect(relay.health().listener).toBe('polling')
      const told = logger.records.filter(({ event }) => event === 'relay.polling')
      expect(told).toHaveLength(relay === deaf.relay ? 1 : 0)
    }
  })
})

describe('a relay that is attached to a service', () => {
  it('publishes through the transport of the service, and stops with it', async () => {
    const clock = createVirtualClock()
    const broker = createMemoryBroker({ clock })
    const store = createMemoryStore({ clock })
    const logger = createTestLogger()
    const service = createService({ source: '/test', transport: createMemory({ broker }), clock, logger })
    const relay = service.attach(createRelay({ store }))
    await service.start()
    await store.transaction((tx) => store.insert(tx, entriesOf('a', 3)))
    await clock.advance(100)
    expect(relay.health()).toMatchObject({ published: 3, counts: { unrouted: 3 } })
    expect(service.health()).toMatchObject({ ready: true, parts: { relay: { ready: true, state: 'running' } } })
    const stopping = service.stop()
    await clock.advance(1_000)
    await stopping
    expect(relay.health().state).toBe('stopped')
    expect((await store.renew('next', 1_000)).leases).toHaveLength(64)
    expect(logger.records.map(({ event }) => event)).toEqual(expect.arrayContaining(['relay.started', 'relay.stopped']))
  })

  it('has none of its own', async () => {
    const service = createService({ source: '/test', transport: createMemory(), logger: createTestLogger() })
    service.attach(createRelay({ store: createMemoryStore(), transport: createTestTransport() }))
    await expect(service.start()).rejects.toMatchObject({ code: 'POSTHORN_CONFIGURATION' })
    await service.stop()
  })
})
