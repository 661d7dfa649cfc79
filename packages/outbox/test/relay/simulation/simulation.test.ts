import { describe, expect, it } from 'vitest'
import { simulate } from './simulate.js'

const seeds = Number(process.env['POSTHORN_SEEDS'] ?? 120)
/** To try others than the first ones. */
const firstSeed = Number(process.env['POSTHORN_FIRST_SEED'] ?? 1)
/** Of what was wrong once: a lease that came back while a failure was being told, and a key left behind by a drain that was called off. */
const foundOnce = [384, 1432, 2535, 1487]

describe('a relay in simulated histories of commits, rollbacks, faults, deaths and pauses', () => {
  it('loses nothing, invents nothing, keeps each key in order and parks only what is to blame', async () => {
    for (let seed = firstSeed; seed < firstSeed + seeds; seed += 1) {
      expect((await simulate(seed, { hasFaults: true })).problems, `seed ${seed}`).toEqual([])
    }
  })

  it.each(foundOnce)('keeps its promises where it once did not: seed %i', async (seed) => {
    expect((await simulate(seed, { hasFaults: true })).problems).toEqual([])
  })

  it('is the same for the same seed', async () => {
    const { arrivals } = await simulate(3, { hasFaults: true })
    expect(arrivals.length).toBeGreaterThan(50)
    expect(await simulate(3, { hasFaults: true })).toEqual({ problems: [], arrivals })
    expect((await simulate(4, { hasFaults: true })).arrivals).not.toEqual(arrivals)
  })

  it('publishes nothing twice when nothing fails, though relays come and go', async () => {
    for (let seed = firstSeed; seed < firstSeed + seeds / 2; seed += 1) {
      expect((await simulate(seed, { hasFaults: false })).problems, `seed ${seed}`).toEqual([])
    }
  })
})
