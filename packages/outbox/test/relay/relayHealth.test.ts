import { describe, expect, it } from 'vitest'
import { createRelay } from '../../src/index.js'
import { createBench, entriesOf } from './bench.js'
import type { MemoryStore } from '../../src/index.js'

const never = (): Promise<never> => new Promise(() => {})
const hourMs = 3_600_000
/** `livenessTimeoutMs`, `pollIntervalMs` and `leaseMs`, one look, and what is under way when it begins. */
const limitMs = 60_000 + 2_000 + 10_000 + 5_000 + 15_000
const codesOf = ({ relay }: Pick<ReturnType<typeof createBench>, 'relay'>): unknown[] => {
  const { ready, live, reasons } = relay.health()
  return [ready, live, ...reasons.map(({ code }) => code)]
}

describe('the health of a relay', () => {
  it('says where it is in its life', async () => {
    const bench = createBench()
    expect(codesOf(bench)).toEqual([false, true, 'notStarted'])
    await bench.relay.start()
    expect(codesOf(bench)).toEqual([true, true])
    const stopping = bench.relay.stop()
    expect(codesOf(bench)).toEqual([false, true, 'stopping'])
    await bench.clock.advance(20_000)
    await stopping
    expect(codesOf(bench)).toEqual([false, true, 'stopped'])
  })

  it('stays live with nothing to do, whatever the time', async () => {
    const bench = createBench()
    await bench.relay.start()
    await bench.clock.advance(hourMs)
    expect(codesOf(bench)).toEqual([true, true])
  })

  it.each(['connecting', 'blocked'] as const)('stays live while its transport is %s', async (state) => {
    const bench = createBench()
    await bench.relay.start()
    bench.transport.state = state
    await bench.commit(entriesOf('a', 5))
    await bench.clock.advance(hourMs)
    expect(codesOf(bench)).toEqual([false, true, state])
  })

  it.each([
    ['refuses everything', () => Promise.reject(new Error('gone'))],
    ['answers nothing', never],
  ] as const)('stays live while its database %s', async (_, answer) => {
    let isAway = false
    const decorate = (store: MemoryStore): MemoryStore => ({
      ...store,
      read: (request) => (isAway ? answer() : store.read(request)),
      renew: (...args) => (isAway ? answer() : store.renew(...args)),
    })
    const bench = createBench({ decorate })
    await bench.relay.start()
    isAway = true
    await bench.clock.advance(hourMs)
    expect(codesOf(bench)).toEqual([false, true, 'databaseAway'])
    isAway = false
    await bench.clock.advance(60_000)
    expect(codesOf(bench)).toEqual([true, true])
  })

  it('ends its liveness when nothing turns any more though everything is there, and logs it once', async () => {
    const bench = createBench()
    // A transport that never settles a send, against its port: places run out, and nothing is read any more.
    bench.transport.answer = never
    await bench.commit(entriesOf('a', 3))
    await bench.commit(entriesOf('b', 3))
    const { relay, clock, logger } = bench
    const tight = bench.another({ maxInFlight: 2 })
    tight.transport.answer = never
    await relay.stop({ deadlineMs: 0 })
    await tight.relay.start()
    await clock.advance(30_000)
    expect(tight.relay.health().live).toBe(true)
    await clock.advance(limitMs)
    expect(codesOf(tight)).toEqual([false, false, 'noProgress'])
    await clock.advance(hourMs)
    expect(logger.records.filter(({ event }) => event === 'relay.standstill')).toHaveLength(1)
  })

  it('never ends it where livenessTimeoutMs is false', async () => {
    const bench = createBench({ livenessTimeoutMs: false, maxInFlight: 2 })
    bench.transport.answer = never
    await bench.commit([...entriesOf('a', 3), ...entriesOf('b', 3)])
    await bench.relay.start()
    await bench.clock.advance(hourMs)
    expect(bench.relay.health().live).toBe(true)
  })

  it('refuses a limit that is none', () => {
    const { store, transport } = createBench()
    expect(() => createRelay({ store, transport, livenessTimeoutMs: 0 })).toThrow(/livenessTimeoutMs .*or false/)
  })
})
