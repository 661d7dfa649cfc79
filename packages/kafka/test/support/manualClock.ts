import type { Clock } from '@posthorn/core/adapter'

/** Time that moves only when told. */
export interface ManualClock extends Clock {
  /** Moves time on, runs what is due in order, and lets promises settle in between. */
  advance(ms: number): Promise<void>
  readonly pendingCount: number
}

/** Lets everything run that does not wait for time. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

export function createManualClock(startMs = 1_000_000): ManualClock {
  let elapsed = 0
  const timers = new Set<{ at: number; action: () => void }>()

  function nextUntil(at: number): { at: number; action: () => void } | undefined {
    return [...timers].filter((timer) => timer.at <= at).sort((a, b) => a.at - b.at)[0]
  }

  return {
    now: () => startMs + elapsed,
    monotonic: () => elapsed,
    schedule(delayMs, action) {
      const timer = { at: elapsed + Math.max(0, delayMs), action }
      timers.add(timer)
      return { cancel: () => void timers.delete(timer) }
    },
    async advance(ms) {
      const end = elapsed + ms
      await settled()
      for (let timer = nextUntil(end); timer !== undefined; timer = nextUntil(end)) {
        timers.delete(timer)
        elapsed = Math.max(elapsed, timer.at)
        timer.action()
        await settled()
      }
      elapsed = end
      await settled()
    },
    get pendingCount() {
      return timers.size
    },
  }
}
