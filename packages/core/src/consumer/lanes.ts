import { createFifo } from './fifo.js'
import type { Fifo } from './fifo.js'
import type { InFlight, Which } from './inFlight.js'

/**
 * Lets one message of a key through at a time, in the order of arrival; messages without a key, and all of a consumer
 * without order, pass at once. A lane is taken until its message is settled, also while that waits for a retry.
 */
export interface Lanes {
  /** True when the item may go now; otherwise it stands in its lane. */
  enter(item: InFlight): boolean
  /** The item is settled: gives the next of its lane. */
  leave(item: InFlight): InFlight | undefined
  /** Takes out what still waits, or what is wanted of it: it stands in no lane any more. */
  drain(isWanted?: Which): InFlight[]
  readonly waiting: number
}

export function createLanes(): Lanes {
  const lanes = new Map<string, Fifo<InFlight> | null>() // Null: taken, nobody waits; most lanes never need a queue.
  let waiting = 0
  return {
    enter(item) {
      if (item.laneKey === undefined) return true
      const lane = lanes.get(item.laneKey)
      if (lane === undefined) {
        lanes.set(item.laneKey, null)
        return true
      }
      const queue = lane ?? createFifo<InFlight>()
      if (lane === null) lanes.set(item.laneKey, queue)
      queue.push(item)
      waiting += 1
      return false
    },
    leave(item) {
      if (item.laneKey === undefined) return undefined
      const next = lanes.get(item.laneKey)?.shift()
      if (next === undefined) lanes.delete(item.laneKey)
      else waiting -= 1
      return next
    },
    drain(isWanted) {
      const all = [...lanes.values()].flatMap((queue) => queue?.drain(isWanted) ?? [])
      // The lane is its head's: whoever only waited in it must not free it.
      for (const item of all) item.laneKey = undefined
      waiting -= all.length
      return all
    },
    get waiting() {
      return waiting
    },
  }
}
