import type { Clock } from './clock.js'
import { ConnectionError } from './errors.js'

/** An adapter that keeps its promise settles at the deadline; the core waits this much longer before it steps in. */
export const graceMs = 1_000

/** Work that somebody else promised to end by a deadline. */
export interface Timed<T> {
  readonly clock: Clock
  /** On the monotonic clock. */
  readonly deadline: number
  readonly work: Promise<T>
  /** The error when the work has not settled by then. */
  readonly late: () => Error
}

/** As the work settles, or rejects at the deadline: a promise of another's making is never waited for without end. */
export function settledBy<T>({ clock, deadline, work, late }: Timed<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.schedule(Math.max(0, deadline - clock.monotonic()), () => reject(late()), { background: true })
    work.then(
      (value) => {
        timer.cancel()
        resolve(value)
      },
      (error: unknown) => {
        timer.cancel()
        reject(error)
      },
    )
  })
}

/** Resolves when the work has settled, or at the deadline; whoever did the work has reported its failure. */
export function endedBy(clock: Clock, deadline: number, work: Promise<unknown> | undefined): Promise<void> {
  if (work === undefined) return Promise.resolve()
  return new Promise((resolve) => {
    const timer = clock.schedule(Math.max(0, deadline - clock.monotonic()), resolve)
    const end = (): void => {
      timer.cancel()
      resolve()
    }
    work.then(end, end)
  })
}

/** An adapter broke its promise to settle by the deadline. */
export function neverStarted(what: string): ConnectionError {
  return new ConnectionError({
    code: 'POSTHORN_UNREACHABLE',
    message: `The transport did not settle its ${what} by the deadline; check that the broker answers`,
  })
}
