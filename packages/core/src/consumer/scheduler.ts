import type { Clock, TimerHandle } from '../clock.js'
import { createFifo } from './fifo.js'
import type { HandlerEntry } from './handlerTable.js'
import type { InFlight, Which } from './inFlight.js'

/** Decides when a handler is called, and with how many items. */
export interface Scheduler {
  /** The item may run as soon as a slot is free; `first` puts it before the others. */
  ready(item: InFlight, first: boolean): void
  /** A call has ended. */
  freeSlot(): void
  pause(): void
  resume(): void
  /** Takes out what was not started, or what is wanted of it. */
  drain(isWanted?: Which): InFlight[]
  readonly running: number
  readonly waiting: number
}

export interface SchedulerOptions {
  readonly concurrency: number
  readonly clock: Clock
  /**
   * Reads an item whose turn has come; false when it needs no handler and is taken care of. So late, because data that
   * is parsed long before it is handled outlives the young generation of the heap: that was a fifth of all CPU.
   */
  readonly admit: (item: InFlight) => boolean
  /** Starts a call; ends with `freeSlot`, perhaps before it returns. */
  readonly run: (entry: HandlerEntry, items: readonly InFlight[]) => void
}

interface Batch {
  readonly entry: HandlerEntry
  readonly items: InFlight[]
}

interface OpenBatch {
  readonly items: InFlight[]
  readonly timer: TimerHandle
}

export function createScheduler({ concurrency, clock, admit, run }: SchedulerOptions): Scheduler {
  const queue = createFifo<InFlight | Batch>()
  const batches = new Map<HandlerEntry, OpenBatch>()
  let collecting = 0
  let running = 0
  let paused = false
  let pumping = false

  /** Not re-entrant: handlers that end at once would otherwise nest as deep as there are messages. */
  function pump(): void {
    if (pumping) return
    pumping = true
    try {
      while (running < concurrency && !paused) {
        const next = queue.shift()
        if (next === undefined) break
        if ('items' in next) start(next.entry, next.items)
        else if (next.admitted || admit(next)) startOrCollect(next)
      }
    } finally {
      pumping = false
    }
  }

  function start(entry: HandlerEntry, items: readonly InFlight[]): void {
    running += 1
    run(entry, items)
  }

  function startOrCollect(item: InFlight): void {
    const entry = item.entry!
    const batch = entry.registration.batch
    if (batch === undefined) start(entry, [item])
    else collect(entry, item, batch.maxCount)
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
    queue.push({ entry, items: open.items })
    pump()
  }

  return {
    ready(item, first) {
      if (first) queue.unshift(item)
      else queue.push(item)
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
    drain(isWanted = () => true) {
      const taken: InFlight[] = []
      const isKept = (item: InFlight): boolean => {
        if (!isWanted(item)) return true
        taken.push(item)
        return false
      }
      for (const next of queue.drain()) {
        const items = 'items' in next ? next.items.filter(isKept) : undefined
        if (items === undefined ? isKept(next as InFlight) : items.length > 0) {
          queue.push(items === undefined ? next : { ...(next as Batch), items })
        }
      }
      for (const [entry, { items, timer }] of batches) {
        const kept = items.filter(isKept)
        collecting -= items.length - kept.length
        if (kept.length > 0) batches.set(entry, { items: kept, timer })
        else {
          timer.cancel()
          batches.delete(entry)
        }
      }
      return taken
    },
    get running() {
      return running
    },
    get waiting() {
      return queue.size + collecting
    },
  }
}
