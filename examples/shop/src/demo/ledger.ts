/** How an order ended: charged or declined and the order service knows it, or put aside. */
export type Ending = 'handled' | 'deadLettered'

/** Counts of a run. */
export interface LedgerCounts {
  /** Committed, and their events confirmed by the broker. */
  readonly published: number
  readonly handled: number
  readonly deadLettered: number
  /** Published and without an end, so far. */
  readonly lost: number
  /** Calls of a handler beyond an order's first. */
  readonly retried: number
  /** News of orders that had ended before: what at-least-once delivery allows. */
  readonly repeated: number
}

/** What can be heard of an order at the consuming side. */
export type News = 'charged' | 'told' | 'deadLettered'

/**
 * Follows every order from its publish to its end, by its line number. Only orders under way are kept, so that memory
 * follows the window and not the input.
 */
export interface Ledger {
  /** Before an order is published: news of it may come before the confirmation. */
  opened(line: number, bytes: number): void
  confirmed(line: number): void
  /** The publish failed: whatever comes of it does not count. */
  refused(line: number): void
  /** An order is handled once the payment worker has `charged` it and the order service was `told`. False: no news. */
  heard(line: number, news: News): boolean
  retried(): void
  counts(): LedgerCounts
  /** Resolves when another order may be published: those under way are few enough, and small enough. */
  room(): Promise<void>
  /** Resolves when nothing is under way. */
  settled(): Promise<void>
  /** Ends all waiting, now and later. */
  giveUp(): void
  /** Lines of confirmed orders without an end, in the order in which they were opened. */
  missing(): number[]
  /** Lines without an end, confirmed or not. */
  linesUnderWay(): number[]
  /** Whether this was heard of an order that is under way. */
  hasHeard(line: number, news: News): boolean
  readonly underWay: number
}

/** What may be under way at once. */
export interface LedgerLimits {
  readonly maxOrders: number
  readonly maxBytes: number
}

interface Entry {
  readonly bytes: number
  isConfirmed: boolean
  isCharged: boolean
  isTold: boolean
  isDeadLettered: boolean
}

interface Waiter {
  readonly isMet: () => boolean
  readonly resolve: () => void
}

export function createLedger(limits: LedgerLimits): Ledger {
  const entries = new Map<number, Entry>()
  const counts = { published: 0, handled: 0, deadLettered: 0, retried: 0, repeated: 0 }
  let bytes = 0
  let waiters: Waiter[] = []
  let hasGivenUp = false

  const hasRoom = (): boolean => hasGivenUp || (entries.size < limits.maxOrders && bytes < limits.maxBytes)
  const isSettled = (): boolean => hasGivenUp || entries.size === 0

  function wake(): void {
    if (waiters.length === 0) return
    const met = waiters.filter(({ isMet }) => isMet())
    if (met.length === 0) return
    waiters = waiters.filter((waiter) => !met.includes(waiter))
    for (const { resolve } of met) resolve()
  }

  function when(isMet: () => boolean): Promise<void> {
    return isMet() ? Promise.resolve() : new Promise((resolve) => waiters.push({ isMet, resolve }))
  }

  function close(line: number, entry: Entry): void {
    entries.delete(line)
    bytes -= entry.bytes
    wake()
  }

  /** An order counts once both sides have spoken, whichever is first. */
  function closeIfDone(line: number, entry: Entry): void {
    const ending = endingOf(entry)
    if (!entry.isConfirmed || ending === undefined) return
    counts[ending] += 1
    close(line, entry)
  }

  return {
    opened(line, size) {
      const entry = { bytes: size, isConfirmed: false, isCharged: false, isTold: false, isDeadLettered: false }
      entries.set(line, entry)
      bytes += size
    },
    confirmed(line) {
      const entry = entries.get(line)
      if (entry === undefined || entry.isConfirmed) return
      entry.isConfirmed = true
      counts.published += 1
      closeIfDone(line, entry)
    },
    refused(line) {
      const entry = entries.get(line)
      if (entry !== undefined) close(line, entry)
    },
    heard(line, news) {
      const entry = entries.get(line)
      const fact = factOf[news]
      if (entry === undefined || entry[fact]) {
        counts.repeated += 1
        return false
      }
      entry[fact] = true
      closeIfDone(line, entry)
      return true
    },
    retried() {
      counts.retried += 1
    },
    counts: () => ({ ...counts, lost: counts.published - counts.handled - counts.deadLettered }),
    room: () => when(hasRoom),
    settled: () => when(isSettled),
    giveUp() {
      hasGivenUp = true
      wake()
    },
    linesUnderWay: () => [...entries.keys()],
    hasHeard: (line, news) => entries.get(line)?.[factOf[news]] === true,
    missing: () => [...entries].filter(([, entry]) => entry.isConfirmed).map(([line]) => line),
    get underWay() {
      return entries.size
    },
  }
}

const factOf = { charged: 'isCharged', told: 'isTold', deadLettered: 'isDeadLettered' } as const

function endingOf(entry: Entry): Ending | undefined {
  if (entry.isCharged && entry.isTold) return 'handled'
  return entry.isDeadLettered ? 'deadLettered' : undefined
}
