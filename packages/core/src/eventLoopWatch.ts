import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Clock, TimerHandle } from './clock.js'

/** Says how long the event loop was blocked. */
export interface EventLoopWatch {
  /** The longest delay of the last half to whole minute, in milliseconds. */
  readonly longestMs: number
  stop(): void
}

export interface EventLoopWatchOptions {
  readonly clock: Clock
  /** Delays from here on are told, in milliseconds. */
  readonly warnMs: number
  /** Called after a delay, once for each; with its length in milliseconds. */
  readonly onBlocked: (blockedMs: number) => void
}

/** How exactly delays are measured. Finer costs more wake-ups of the process. */
const resolutionMs = 20
const maxSampleMs = 1_000
/** What is older than two of these is forgotten. */
const windowMs = 30_000

/**
 * Watches for code that does not let go of the event loop: heartbeats stand still meanwhile, and a broker takes the
 * process for dead. Keeps no process alive. It can tell only afterwards.
 */
export function watchEventLoop({ clock, warnMs, onBlocked }: EventLoopWatchOptions): EventLoopWatch {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs })
  histogram.enable()
  const sampleMs = Math.min(maxSampleMs, Math.max(resolutionMs, warnMs / 2))
  let recentMs = 0
  let olderMs = 0
  let windowEndsAt = clock.monotonic() + windowMs
  let timer: TimerHandle | undefined
  let reading: NodeJS.Immediate | undefined

  function arm(): void {
    timer = clock.schedule(sampleMs, sample, { background: true })
  }

  // After all timers that are due, so that the histogram's own has noted the delay: a reset would lose it.
  function sample(): void {
    reading = setImmediate(read)
  }

  function read(): void {
    arm()
    // It measures from wake-up to wake-up, the resolution included.
    const delayMs = Math.max(0, Math.round(histogram.max / 1e6) - resolutionMs)
    histogram.reset()
    if (clock.monotonic() >= windowEndsAt) {
      olderMs = recentMs
      recentMs = 0
      windowEndsAt = clock.monotonic() + windowMs
    }
    recentMs = Math.max(recentMs, delayMs)
    if (delayMs >= warnMs) onBlocked(delayMs)
  }

  arm()
  return {
    get longestMs() {
      return Math.max(recentMs, olderMs)
    },
    stop() {
      timer?.cancel()
      clearImmediate(reading)
      histogram.disable()
    },
  }
}
