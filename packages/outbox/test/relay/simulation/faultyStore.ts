import { OutboxError } from '@posthorn/core'
import type { MemoryStore, RelayStore } from '../../../src/index.js'
import { wayMs } from './faults.js'
import type { Faults } from './faults.js'
import type { SimClock } from './simClock.js'

/** Where a process's calls go through. */
export interface Line {
  readonly clock: SimClock
  readonly random: () => number
  readonly faults: () => Faults
  /** A step of the process that called. */
  readonly run: (step: () => void) => void
}

/** The same store over a line that takes time, loses requests, and loses answers to requests that were done. */
export function faultyStore(store: MemoryStore, { clock, random, faults, run }: Line): RelayStore {
  async function call<Value>(work: () => Promise<Value>): Promise<Value> {
    const fate = random()
    const chance = faults().store
    await clock.after(wayMs(faults(), random))
    const result = fate < chance / 2 ? { error: unavailable() } : await settled(work())
    await clock.after(wayMs(faults(), random))
    return new Promise((resolve, reject) => {
      run(() => {
        if ('error' in result) reject(result.error)
        else if (fate < chance) reject(unavailable())
        else resolve(result.value)
      })
    })
  }
  return {
    prepare: () => call(() => store.prepare()),
    renew: (relay, leaseMs) => call(() => store.renew(relay, leaseMs)),
    giveBack: (relay, leases) => call(() => store.giveBack(relay, leases)),
    leave: (relay) => call(() => store.leave(relay)),
    read: (request) => call(() => store.read(request)),
    remove: (relay, entries) => call(() => store.remove(relay, entries)),
    fail: (relay, entry, failure, policy) => call(() => store.fail(relay, entry, failure, policy)),
    releaseDue: (leases, maxCount) => call(() => store.releaseDue(leases, maxCount)),
    listen: ({ onHint, onLost }) => {
      // Hints get lost, too: polling has to do.
      const events = {
        onHint: () => void (random() < 0.8 && run(onHint)),
        onLost: (error: unknown) => run(() => onLost(error)),
      }
      return call(() => store.listen(events))
    },
    stats: () => call(() => store.stats()),
    parkedKeys: (limit) => call(() => store.parkedKeys(limit)),
    decide: (key, decision) => call(() => store.decide(key, decision)),
    close: () => Promise.resolve(),
  }
}

async function settled<Value>(work: Promise<Value>): Promise<{ value: Value } | { error: unknown }> {
  try {
    return { value: await work }
  } catch (error) {
    return { error }
  }
}

function unavailable(): OutboxError {
  return new OutboxError({ code: 'POSTHORN_OUTBOX_UNAVAILABLE', message: 'The line is cut' })
}
