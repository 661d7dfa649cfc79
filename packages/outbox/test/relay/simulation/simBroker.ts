import { PublishError } from '@posthorn/core'
import type { Receipt, Transport } from '@posthorn/core/adapter'
import { createMemory } from '@posthorn/memory'
import type { Line } from './faultyStore.js'
import { wayMs } from './faults.js'
import type { SimClock } from './simClock.js'

/** Where messages arrive, in the order of their arrival. */
export class SimBroker {
  readonly arrivals: { readonly id: string; readonly at: number }[] = []
  /** So often a message is refused for a reason of its own. */
  readonly refusals = new Map<string, number>()
  readonly #clock: SimClock

  constructor(clock: SimClock) {
    this.#clock = clock
  }

  /** A transport of one process. */
  transport({ clock, random, faults, run }: Line): Transport {
    const send = async (id: string, deadline: number): Promise<Receipt> => {
      const fate = random()
      const chance = faults().send
      await clock.after(wayMs(faults(), random))
      const outcome = fate < chance / 2 ? lost('POSTHORN_PUBLISH_CONNECTION_LOST') : this.#take(id, deadline)
      await clock.after(wayMs(faults(), random))
      return new Promise((resolve, reject) => {
        run(() => {
          if (outcome !== undefined) reject(outcome)
          else if (fate < chance) reject(lost('POSTHORN_PUBLISH_DEADLINE'))
          else resolve({ routed: true })
        })
      })
    }
    return {
      ...createMemory(),
      connect: () => Promise.resolve(),
      close: () => Promise.resolve(),
      health: () => ({ ready: true, live: true, reasons: [], state: 'ready', addresses: [], reconnects: 0 }),
      send: (_target, { id }, { deadline }) => send(id, deadline),
    }
  }

  /** Takes a message, or says why not. */
  #take(id: string, deadline: number): PublishError | undefined {
    if (this.#clock.monotonic() > deadline) return lost('POSTHORN_PUBLISH_DEADLINE')
    const refusals = this.refusals.get(id) ?? 0
    if (refusals > 0) {
      this.refusals.set(id, refusals - 1)
      return lost('POSTHORN_PUBLISH_TOO_LARGE')
    }
    this.arrivals.push({ id, at: this.#clock.now() })
    return undefined
  }
}

function lost(code: PublishError['code']): PublishError {
  return new PublishError({ code, message: code, outcome: 'unknown' })
}
