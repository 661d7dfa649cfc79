/** What the table says of one code. */
export interface HealthCodeFacts {
  /** What it makes false: `liveness` both, `readiness` that alone, `nothing` neither. */
  readonly ends: 'liveness' | 'readiness' | 'nothing'
  /** What to do next, in a sentence or two. Compared with `docs/reference/health.md` by a test. */
  readonly next: string
}

/** Why something is not ready or not live. Codes are only ever added. */
export type HealthCode =
  | 'notStarted'
  | 'starting'
  | 'stopping'
  | 'stopped'
  | 'startFailed'
  | 'connecting'
  | 'blocked'
  | 'notConsuming'
  | 'paused'
  | 'noDeliveries'
  | 'noProgress'
  | 'databaseAway'
  | 'keysParked'
  | 'keysWaiting'
  | 'upkeepFailed'
  | 'notAttached'
  | 'notReady'
  | 'notLive'
  | 'healthFailed'

/** Every code of a health reason that Posthorn gives, with what it ends and what to do next. */
export const healthCodes: Readonly<Record<HealthCode, HealthCodeFacts>> = {
  notStarted: { ends: 'readiness', next: 'Call `start()`.' },
  starting: { ends: 'readiness', next: 'Wait; the other reasons and the log say for what.' },
  stopping: { ends: 'readiness', next: 'Wait: what is under way ends first.' },
  stopped: { ends: 'readiness', next: 'Make a new one, or let the process end.' },
  startFailed: {
    ends: 'liveness',
    next: 'Remove the cause that `start()` rejected with, and start the process anew: what failed to start never runs.',
  },
  connecting: {
    ends: 'readiness',
    next: 'Check that the broker runs and can be reached; the connection comes back by itself.',
  },
  blocked: {
    ends: 'readiness',
    next: 'Free memory or disk on the broker; publishes wait until their deadline, and go on by themselves.',
  },
  notConsuming: { ends: 'readiness', next: 'Read why; it subscribes again by itself.' },
  paused: { ends: 'readiness', next: 'Call `resume()`, when whoever paused it does not.' },
  noDeliveries: {
    ends: 'liveness',
    next: 'Restart the process; new subscriptions did not help, though the broker answers and has messages.',
  },
  noProgress: {
    ends: 'liveness',
    next: 'Restart the process, and find out what it waits for without a limit of time.',
  },
  databaseAway: {
    ends: 'readiness',
    next: 'Check that the database runs and can be reached; it is asked again by itself.',
  },
  keysParked: { ends: 'nothing', next: 'Look at the parked keys, and decide what becomes of each.' },
  keysWaiting: {
    ends: 'readiness',
    next: 'Repair the destination that takes nothing, which the log names; nothing else is read until fewer keys wait.',
  },
  upkeepFailed: { ends: 'nothing', next: 'Read why; it is tried again by itself, and there is room for days.' },
  notAttached: { ends: 'readiness', next: 'Attach it to a service that starts.' },
  notReady: { ends: 'readiness', next: 'Ask its own facts why; it gave no reason.' },
  notLive: { ends: 'liveness', next: 'Restart the process; it gave no reason.' },
  healthFailed: { ends: 'readiness', next: 'Correct its `health()`: it must never throw.' },
}
