import { describe, expect, it } from 'vitest'
import { simulate } from './simulate.js'

const seeds = Number(process.env['POSTHORN_SEEDS'] ?? 120)

describe('a relay in simulated histories of commits, rollbacks, faults, deaths and pauses', () => {
  it('loses nothing, invents nothing, keeps each key in order and parks only what is to blame', async () => {
    for (let seed = 1; seed <= seeds; seed += 1) {
      expect(await simulate(seed, { hasFaults: true }), `seed ${seed}`).toEqual([])
    }
  })

  it('publishes nothing twice when nothing fails, though relays come and go', async () => {
    for (let seed = 1; seed <= seeds / 2; seed += 1) {
      expect(await simulate(seed, { hasFaults: false }), `seed ${seed}`).toEqual([])
    }
  })
})
