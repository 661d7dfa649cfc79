import type { Clock } from '@posthorn/core/adapter'
import { byDeadline } from './byDeadline.js'

/** What is in flight when a generation ends: worked off and committed before the next one, within a bound. */
export interface GenerationDrain {
  /** Nothing more is handed over, but what is settled is still committed. */
  readonly isDraining: boolean
  /** Resolves when nothing is in flight and all of it is committed, or when time is up. */
  run(): Promise<void>
  /** Something was settled. */
  notice(): void
  /** The next generation has come, or there will be none. */
  cancel(): void
}

export interface DrainParts {
  readonly clock: Clock
  /** Longest wait; what is not settled then is delivered again to whoever gets the partition. */
  readonly boundMs: number
  readonly isIdle: () => boolean
  /** Commits what is done, saying that we let go of it. */
  readonly letGo: () => Promise<unknown>
}

export function createGenerationDrain({ clock, boundMs, isIdle, letGo }: DrainParts): GenerationDrain {
  let current: { readonly idle: AbortController; isCancelled: boolean } | undefined

  return {
    get isDraining() {
      return current !== undefined
    },
    async run() {
      if (boundMs === 0) return
      const drain = { idle: new AbortController(), isCancelled: false }
      current = drain
      const deadline = clock.monotonic() + boundMs
      if (!isIdle()) await byDeadline(new Promise<never>(() => {}), { clock, deadline, signal: drain.idle.signal })
      // In a generation of its own by now, letting go would be a lie.
      if (drain.isCancelled) return
      await letGo()
      if (current === drain) current = undefined
    },
    notice() {
      if (current !== undefined && isIdle()) current.idle.abort()
    },
    cancel() {
      if (current === undefined) return
      current.isCancelled = true
      current.idle.abort()
      current = undefined
    },
  }
}
