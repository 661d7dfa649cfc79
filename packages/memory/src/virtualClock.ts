import type { Clock } from '@posthorn/core/adapter'
import { nextTurn } from './turns.js'

/** A clock that stands still until a test moves it. */
export interface VirtualClock extends Clock {
  /**
   * Moves the time by `ms` and fires the timers that come due, in order, each at its own time. Before the first timer and
   * after each it lets promise jobs run and every broker on this clock finish what it has to deliver and to confirm, so
   * that a retry that a timer causes is sent at that timer's time. It does not wait for real I/O of a handler.
   */
  advance(ms: number): Promise<void>
  /** Moves the time from timer to timer until none but background timers are left; throws after 100,000. */
  runAll(): Promise<void>
  /** Timers that have not fired, those in the background included. */
  readonly pending: number
}

/** Told by a broker that it did something: `advance` goes on only when all brokers are quiet. Not public. */
export const activity: unique symbol = Symbol('posthorn.memory.activity')

interface Timer {
  readonly at: number
  readonly action: () => void
  readonly background: boolean
}

/** Turns without any activity after which everything counts as settled: the core, too, puts work off to later turns. */
const quietTurns = 5
const maxTimersOfRunAll = 100_000

/** Sorted by time; timers of one time stay in the order of their making. */
function addSorted(timers: Timer[], timer: Timer): void {
  const later = timers.findIndex((other) => other.at > timer.at)
  timers.splice(later === -1 ? timers.length : later, 0, timer)
}

function remove(timers: Timer[], timer: Timer): void {
  const index = timers.indexOf(timer)
  if (index !== -1) timers.splice(index, 1)
}

/** Resolves when there was no activity for some turns. */
async function quiet(activities: () => number): Promise<void> {
  let seen: number
  do {
    seen = activities()
    for (let turn = 0; turn < quietTurns; turn += 1) await nextTurn()
  } while (activities() !== seen)
}

/** Makes a clock that starts at `startMs` (epoch milliseconds; default 2026-01-01T00:00:00Z); `monotonic()` starts at 0. */
export function createVirtualClock(startMs: number = Date.UTC(2026, 0, 1)): VirtualClock {
  const timers: Timer[] = []
  let elapsed = 0
  let activities = 0
  // One move at a time: a second `advance` begins where the first ended.
  let moving: Promise<void> = Promise.resolve()

  const settle = (): Promise<void> => quiet(() => activities)

  async function fire(timer: Timer): Promise<void> {
    remove(timers, timer)
    elapsed = Math.max(elapsed, timer.at)
    timer.action()
    await settle()
  }

  async function advance(ms: number): Promise<void> {
    await settle()
    const target = elapsed + ms
    for (let next = timers[0]; next !== undefined && next.at <= target; next = timers[0]) await fire(next)
    elapsed = target
  }

  async function runAll(): Promise<void> {
    await settle()
    for (let fired = 0; timers.some((timer) => !timer.background); fired += 1) {
      if (fired === maxTimersOfRunAll) throw new RangeError(`runAll() fired ${fired} timers and there are more`)
      await fire(timers[0] as Timer)
    }
  }

  function inTurn(move: () => Promise<void>): Promise<void> {
    const moved = moving.then(move)
    moving = moved.catch(() => undefined)
    return moved
  }

  const clock: VirtualClock & { [activity](): void } = {
    now: () => startMs + elapsed,
    monotonic: () => elapsed,
    schedule(delayMs, action, options) {
      const timer = { at: elapsed + Math.max(delayMs, 0), action, background: options?.background ?? false }
      addSorted(timers, timer)
      return { cancel: () => remove(timers, timer) }
    },
    advance: (ms) => inTurn(() => advance(ms)),
    runAll: () => inTurn(runAll),
    get pending() {
      return timers.length
    },
    [activity]: () => void (activities += 1),
  }
  return clock
}
