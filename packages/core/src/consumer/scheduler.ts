import type { Clock, TimerHandle } from '../clock.js'
import { createFifo } from './fifo.js'
import type { HandlerEntry } from './handlerTable.js'
import type { InFlight } from './inFlight.js'

/** Decides when a handler is called, and with how many items. */
export interface Scheduler {
  /** The item may run as soon as a slot is free; `first` puts it before the others. */
  ready(item: InFlight, first: boolean): void
  /** A call has ended. */
  freeSlot(): void
  pause(): void
  resume(): void
  /** Takes out everything that was not started. */
  drain(): InFlight[]
  readonly running: number
  readonly waiting: number
}

export interface SchedulerOptions {
  readonly concurrency: number
  readonly clock: Clock
  /** Starts a call; ends with `freeSlot`, perhaps before it returns. */
  readonly run: (entry: HandlerEntry, items: readonly InFlight[]) => void
}

interface Call {
  readonly entry: HandlerEntry
  readonly items: InFlight[]
}

interface OpenBatch {
  readonly items: InFlight[]
  readonly timer: TimerHandle
}

export function createScheduler({ concurrency, clock, run }: SchedulerOptions): Scheduler {
  const calls = createFifo<Call>()
  const batches = new Map<HandlerEntry, OpenBatch>()
  let collecting = 0
  let running = 0
  let paused = false
  let pumping = false

  /** Not re-entrant: handlers that end at once would otherwise nest as deep as there are messages. */
  function pump(): void {
    if (pumping) return
    pumping = true
    while (running < concurrency && !paused) {
      const call = calls.shift()
      if (call === undefined) break
      running += 1
      run(call.entry, call.items)
    }
    pumping = false
  }

  function collect(entry: HandlerEntry, item: InFlight, maxCount: number): void {
    const open = batches.get(entry)
    collecting += 1
    if (open === undefined) {
      const maxWaitMs = entry.registration.batch?.maxWaitMs ?? 0
      batches.set(entry, { items: [item], timer: clock.schedule(maxWaitMs, () => hand(entry)) })
    } else open.items.push(item)
    if ((open?.items.length ?? 1) >= maxCount) hand(entry)
  }

  function hand(entry: HandlerEntry): void {
    const open = batches.get(entry)
    if (open === undefined) return
    open.timer.cancel()
    batches.delete(entry)
    collecting -= open.items.length
    calls.push({ entry, items: open.items })
    pump()
  }

  return {
    ready(item, first) {
      const entry = item.entry!
      const batch = entry.registration.batch
      if (batch !== undefined) return collect(entry, item, batch.maxCount)
      const call = { entry, items: [item] }
      if (first) calls.unshift(call)
      else calls.push(call)
      pump()
    },
    freeSlot() {
      running -= 1
      pump()
    },
    pause() {
      paused = true
    },
    resume() {
      paused = false
      pump()
    },
    drain() {
      const items = calls.drain().flatMap((call) => call.items)
      for (const [entry, open] of batches) {
        open.timer.cancel()
        batches.delete(entry)
        items.push(...open.items)
      }
      collecting = 0
      return items
    },
    get running() {
      return running
    },
    get waiting() {
      return calls.size + collecting
    },
  }
}
