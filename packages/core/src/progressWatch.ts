import type { Clock, TimerHandle } from './clock.js'

/** What a watch looks at. */
export interface ProgressWatchOptions {
  readonly clock: Clock
  /** So long without progress, while some is expected, in milliseconds; `false` never. */
  readonly limitMs: number | false
  /** A number that changes with every step forward. */
  progress(): number
  /** Progress cannot be expected now: nothing to do, or what is waited for is away. This time does not count. */
  isExcused(): boolean
  /** Called once each time that the limit is passed. */
  onStandstill?(standstillMs: number): void
}

/** Tells whether something stands still that should move. */
export interface ProgressWatch {
  readonly standsStill: boolean
  /** Begins to look, from time to time; again after `stop`. Idempotent. */
  start(): void
  stop(): void
}

const looksPerLimit = 20
const maxLookMs = 5_000

/**
 * Adds up the time between looks at which nothing had moved. A look that comes late, since the process was paused or its event
 * loop blocked, counts as one: a process that wakes up gets its time to go on before anybody ends it.
 */
export function createProgressWatch(options: ProgressWatchOptions): ProgressWatch {
  const { clock, limitMs } = options
  const lookMs = limitMs === false ? 0 : Math.min(maxLookMs, Math.max(1, limitMs / looksPerLimit))
  let timer: TimerHandle | undefined
  let seen = 0
  let standstillMs = 0
  let lookedAt = 0

  function arm(): void {
    lookedAt = clock.monotonic()
    timer = clock.schedule(lookMs, look, { background: true })
  }

  function look(): void {
    const now = options.progress()
    const passedMs = Math.min(clock.monotonic() - lookedAt, lookMs * 2)
    if (now !== seen || options.isExcused()) standstillMs = 0
    else note(passedMs)
    seen = now
    arm()
  }

  function note(passedMs: number): void {
    const before = standstillMs
    standstillMs += passedMs
    if (limitMs !== false && before < limitMs && standstillMs >= limitMs) options.onStandstill?.(standstillMs)
  }

  return {
    get standsStill() {
      return limitMs !== false && standstillMs >= limitMs
    },
    start() {
      if (limitMs === false || timer !== undefined) return
      seen = options.progress()
      standstillMs = 0
      arm()
    },
    stop() {
      timer?.cancel()
      timer = undefined
      standstillMs = 0
    },
  }
}
