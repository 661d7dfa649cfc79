import { describe, expect, it } from 'vitest'
import { createGenerationDrain } from '../src/generationDrain.js'
import { createManualClock, settled } from './support/manualClock.js'

function rig(boundMs = 3_000) {
  const clock = createManualClock()
  const facts = { inFlight: 2, letGo: 0, hasResolved: false }
  const drain = createGenerationDrain({
    clock,
    boundMs,
    isIdle: () => facts.inFlight === 0,
    letGo: async () => {
      facts.letGo += 1
    },
  })
  const run = (): void => void drain.run().then(() => (facts.hasResolved = true))
  return { clock, drain, facts, run }
}

describe('the end of a generation', () => {
  it('waits for what is in flight, commits it and lets go', async () => {
    const { drain, facts, run } = rig()
    run()
    expect(drain.isDraining).toBe(true)
    facts.inFlight = 1
    drain.notice()
    await settled()
    expect(facts).toMatchObject({ letGo: 0, hasResolved: false })
    facts.inFlight = 0
    drain.notice()
    await settled()
    expect(facts).toMatchObject({ letGo: 1, hasResolved: true })
    expect(drain.isDraining).toBe(false)
  })

  it('does not wait longer than it may, and commits what is done by then', async () => {
    const { clock, drain, facts, run } = rig(3_000)
    run()
    await clock.advance(2_999)
    expect(facts.hasResolved).toBe(false)
    await clock.advance(1)
    expect(facts).toMatchObject({ letGo: 1, hasResolved: true })
    expect(drain.isDraining).toBe(false)
  })

  it('does not wait at all where nothing is in flight, or where it shall not', async () => {
    const idle = rig()
    idle.facts.inFlight = 0
    idle.run()
    await settled()
    expect(idle.facts).toMatchObject({ letGo: 1, hasResolved: true })
    const never = rig(0)
    never.run()
    await settled()
    expect(never.facts).toMatchObject({ letGo: 0, hasResolved: true })
  })

  it('lets go of nothing once the next generation has come', async () => {
    const { drain, facts, run } = rig()
    run()
    drain.cancel()
    await settled()
    expect(facts).toMatchObject({ letGo: 0, hasResolved: true })
    expect(drain.isDraining).toBe(false)
  })
})
