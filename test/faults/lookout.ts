import { setTimeout as sleep } from 'node:timers/promises'
import { createLedger } from './ledger.js'
import type { Ledger } from './ledger.js'
import { createLedgerReader } from './ledgerReader.js'
import { createStallWatch } from './stallWatch.js'
import type { StallWatch } from './stallWatch.js'
import { flows } from './traffic.js'
import type { FlowKey } from './traffic.js'

/** Watches from outside what the processes of a run write down. */
export interface Lookout {
  readonly ledger: Ledger
  readonly stalls: StallWatch
  /** Longest time in which nothing ended while a drain waited, in milliseconds. */
  readonly drainStallMs: number
  /** Resolves when the condition holds; rejects when the run is to end. */
  until(isOver: () => boolean): Promise<void>
  /** Settles as the work does; rejects when the run is to end before that. */
  unlessEnded<Value>(work: Promise<Value>): Promise<Value>
  /** Nothing may be published. True when all that is due has ended, false when it has not moved for too long. */
  drained(): Promise<boolean>
  close(): void
}

export interface LookoutOptions {
  readonly folder: string
  /** Those that must move. */
  readonly flows: readonly FlowKey[]
  readonly patienceMs: number
  readonly signal: AbortSignal
  /** The files cannot be read. */
  readonly onError: (error: unknown) => void
}

const pollMs = 100
const now = (): number => performance.now()

export function createLookout({ folder, flows: watched, patienceMs, signal, onError }: LookoutOptions): Lookout {
  const ledger = createLedger()
  const reader = createLedgerReader(folder, ledger)
  const stalls = createStallWatch(['acked', ...watched.map((key) => flows[key].name)], now)
  let drainStallMs = 0
  // All the time, so that what is told is new while a fault takes its time.
  const timer = setInterval(poll, pollMs)

  function poll(): void {
    try {
      reader.poll()
    } catch (error) {
      return onError(error)
    }
    const { acked, done, repeated } = ledger.counts
    stalls.count('acked', acked)
    for (const key of watched) stalls.count(flows[key].name, done[key] + repeated[key])
  }

  async function until(isOver: () => boolean): Promise<void> {
    for (;;) {
      signal.throwIfAborted()
      if (isOver()) return
      await sleep(pollMs)
    }
  }

  function unlessEnded<Value>(work: Promise<Value>): Promise<Value> {
    if (signal.aborted) return Promise.reject(signal.reason as Error)
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(signal.reason as Error)
      signal.addEventListener('abort', onAbort)
      work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
    })
  }

  async function drained(): Promise<boolean> {
    // What was written last may not have been read yet.
    poll()
    const watch = createStallWatch(['ended'], now)
    watch.faultHealed()
    let ended = 0
    let before = Infinity
    await until(() => {
      const { open } = ledger.counts
      if (open < before) ended += 1
      before = open
      watch.count('ended', ended)
      return open === 0 || watch.longestMs > patienceMs
    })
    drainStallMs = Math.max(drainStallMs, watch.longestMs)
    return ledger.counts.open === 0
  }

  return {
    ledger,
    stalls,
    get drainStallMs() {
      return drainStallMs
    },
    until,
    unlessEnded,
    drained,
    close() {
      clearInterval(timer)
      poll()
    },
  }
}
