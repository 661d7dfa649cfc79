import type { Clock, TimerHandle } from '../clock.js'

/** How often the same may be written. */
export interface RepeatLimits {
  readonly maxRepeats: number
  readonly repeatWindowMs: number
}

/** Lets the first records of a subject through, and counts the others. */
export interface Repeats {
  /**
   * Whether a record of this subject is to be written. For what is not, `tell` of the subject's first record is called with
   * how many there were: at the end of the window, at the latest by `flush`.
   */
  admit(subject: string, tell: (suppressed: number) => void): boolean
  /** Tells now what was left out, and begins anew. */
  flush(): void
}

interface Window {
  readonly endsAt: number
  readonly tell: (suppressed: number) => void
  written: number
  suppressed: number
}

/** Subjects that are remembered; the oldest gives way, and what was left out of it is told. */
const maxSubjects = 500

/** Counts by subject within windows that begin with a subject's first record. Its timer keeps no process alive. */
export function createRepeats(clock: Clock, { maxRepeats, repeatWindowMs }: RepeatLimits): Repeats {
  /** In the order in which they end. */
  const windows = new Map<string, Window>()
  let timer: TimerHandle | undefined

  function close(subject: string, window: Window): void {
    windows.delete(subject)
    if (window.suppressed > 0) window.tell(window.suppressed)
  }

  function sweep(): void {
    timer = undefined
    const now = clock.monotonic()
    for (const [subject, window] of windows) {
      if (window.endsAt <= now) close(subject, window)
      else if (window.suppressed > 0) return arm(window)
    }
  }

  function arm({ endsAt }: Window): void {
    if (timer !== undefined) return
    timer = clock.schedule(Math.max(1, endsAt - clock.monotonic()), sweep, { background: true })
  }

  function begin(subject: string, tell: Window['tell']): void {
    const oldest = windows.size >= maxSubjects ? windows.entries().next().value : undefined
    if (oldest !== undefined) close(...oldest)
    windows.set(subject, { endsAt: clock.monotonic() + repeatWindowMs, tell, written: 1, suppressed: 0 })
  }

  return {
    admit(subject, tell) {
      const window = windows.get(subject)
      if (window !== undefined && window.endsAt > clock.monotonic()) {
        if (window.written < maxRepeats) {
          window.written += 1
          return true
        }
        window.suppressed += 1
        arm(window)
        return false
      }
      if (window !== undefined) close(subject, window)
      begin(subject, tell)
      return true
    },
    flush() {
      timer?.cancel()
      timer = undefined
      for (const [subject, window] of windows) close(subject, window)
    },
  }
}
