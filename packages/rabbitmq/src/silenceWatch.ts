import type { Clock, TimerHandle } from '@posthorn/core/adapter'

/** Notices a broker that answers nothing although there is something to answer. */
export interface SilenceWatch {
  /** There may be something to answer from now on; cheap while it watches already. */
  start(): void
  /** The broker has answered something, or takes what it is to answer. */
  answered(): void
  stop(): void
}

/** What is watched. */
export interface SilenceWatchParts {
  readonly clock: Clock
  /** Whether the broker owes an answer; the watch ends while it does not. */
  readonly isExpecting: () => boolean
  /** How much longer, to a tick, the answer may take that is due next; asked only when it is late. */
  readonly extraMs: () => number
  /** Nothing came for so long. */
  readonly onSilence: (silentMs: number) => void
}

const tickMs = 2_500

/**
 * The longest silence. On a cluster with a stopped node a channel of another node stayed silent for good, after the node
 * had come back too, while its connection went on sending heartbeats (tried with three nodes of 4.3).
 */
export const maxSilenceMs = 10_000

/** Looks every few seconds, so that a message costs nothing. */
export function createSilenceWatch({ clock, isExpecting, extraMs, onSilence }: SilenceWatchParts): SilenceWatch {
  let timer: TimerHandle | undefined
  let hasAnswered = false
  let silentMs = 0

  function look(): void {
    timer = undefined
    if (!isExpecting()) return
    silentMs = hasAnswered ? 0 : silentMs + tickMs
    hasAnswered = false
    if (silentMs >= maxSilenceMs && silentMs + tickMs > maxSilenceMs + extraMs()) {
      onSilence(silentMs)
      silentMs = 0
    }
    arm()
  }

  function arm(): void {
    timer = clock.schedule(tickMs, look, { background: true })
  }

  return {
    start() {
      if (timer !== undefined) return
      silentMs = 0
      hasAnswered = false
      arm()
    },
    answered() {
      hasAnswered = true
    },
    stop() {
      timer?.cancel()
      timer = undefined
    },
  }
}
