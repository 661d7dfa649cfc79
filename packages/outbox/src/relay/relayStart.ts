import {
  codeOf,
  ConfigurationError,
  fullJitter,
  LifecycleError,
  object,
  oneOf,
  optionProblems,
  OutboxError,
  wholeNumber,
} from '@posthorn/core/adapter'
import type { Clock, Logger, SendOptions, Transport } from '@posthorn/core/adapter'

/** How a relay on its own starts. */
export interface RelayStartOptions {
  /**
   * An absent broker or database: `fail` rejects at the deadline, `wait` goes on trying until `signal` fires or the relay is
   * stopped. A refusal (credentials, no schema, no rights) rejects in both. @default 'fail'
   */
  readonly ifUnavailable?: 'fail' | 'wait'
  /** For the whole start, or with `wait` for each attempt, in milliseconds. @default 30_000 */
  readonly deadlineMs?: number
  readonly signal?: AbortSignal
}

/** How a relay on its own stops. */
export interface RelayStopOptions {
  /** When it has stopped at the latest, in milliseconds. Longer lets more of what is under way end. @default 20_000 */
  readonly deadlineMs?: number
}

const backoff = { firstMs: 500, maxMs: 15_000 }

/** All problems of the options of `start`. */
export function startProblems(options: unknown): string[] {
  return optionProblems('', options, {
    ifUnavailable: oneOf('fail', 'wait'),
    deadlineMs: wholeNumber(1),
    signal: object,
  })
}

/** When a stop has ended, on the monotonic clock; refuses options that it does not know. */
export function stopDeadline(given: RelayStopOptions | number, clock: Clock): number {
  if (typeof given === 'number') return given
  const problems = optionProblems('', given, { deadlineMs: wholeNumber(0) })
  if (problems.length > 0) throw new ConfigurationError('relay.stop', problems)
  return clock.monotonic() + (given.deadlineMs ?? 20_000)
}

/** A relay has a transport of its own, or that of its service. */
export function refuseWrongTransport(transport: Transport | undefined, isAttached: true): undefined
export function refuseWrongTransport(transport: Transport | undefined, isAttached: false): Transport
export function refuseWrongTransport(transport: Transport | undefined, isAttached: boolean): Transport | undefined {
  if (isAttached === (transport === undefined)) return transport
  const problem = isAttached
    ? 'options.transport is for a relay on its own; one that is attached uses that of its service'
    : 'options.transport is required by a relay on its own'
  throw new ConfigurationError('The relay', [problem])
}

interface Persistence {
  readonly clock: Clock
  readonly logger: Logger
  readonly startOptions: RelayStartOptions
  readonly cancel: AbortSignal
}

/** Tries to start, once or with `wait` until it works. */
export async function persist(
  { clock, logger, startOptions, cancel }: Persistence,
  step: (options: SendOptions) => Promise<void>,
): Promise<void> {
  const { ifUnavailable = 'fail', deadlineMs = 30_000, signal } = startOptions
  const either = signal === undefined ? cancel : AbortSignal.any([signal, cancel])
  for (let failures = 1; ; failures += 1) {
    either.throwIfAborted()
    try {
      await step({ deadline: clock.monotonic() + deadlineMs, signal: either })
      return
    } catch (error) {
      either.throwIfAborted()
      if (ifUnavailable === 'fail' || !isAbsence(error)) throw error
      logger.warn({ event: 'start.waiting', failures, err: error }, 'Not everything is there yet; still trying')
      await pause(clock, fullJitter(failures, backoff), either)
    }
  }
}

/** A broker or a database that is not there yet. */
function isAbsence(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'POSTHORN_UNREACHABLE' || code === 'POSTHORN_OUTBOX_UNAVAILABLE'
}

function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      timer.cancel()
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = clock.schedule(delayMs, end)
    signal.addEventListener('abort', end)
  })
}

interface Bounded {
  readonly clock: Clock
  readonly deadline: number
  readonly work: Promise<unknown>
  readonly signals: readonly (AbortSignal | undefined)[]
}

/** Settles as the work does, at the deadline, or when a signal fires. */
export function byDeadline({ clock, deadline, work, signals }: Bounded): Promise<void> {
  const fired = signals.find((signal) => signal?.aborted === true)
  if (fired !== undefined) {
    work.catch(() => {})
    return Promise.reject(fired.reason)
  }
  return new Promise((resolve, reject) => {
    const timer = clock.schedule(Math.max(0, deadline - clock.monotonic()), () => end(() => reject(late())))
    const aborted = (event: Event): void => end(() => reject((event.target as AbortSignal).reason))
    const end = (settle: () => void): void => {
      timer.cancel()
      for (const signal of signals) signal?.removeEventListener('abort', aborted)
      settle()
    }
    for (const signal of signals) signal?.addEventListener('abort', aborted)
    work.then(
      () => end(resolve),
      (error: unknown) => end(() => reject(error)),
    )
  })
}

function late(): OutboxError {
  return new OutboxError({
    code: 'POSTHORN_OUTBOX_UNAVAILABLE',
    message: 'The database did not answer by the deadline; check that it runs and can be reached',
  })
}

export function alreadyStarted(): LifecycleError {
  return new LifecycleError({ code: 'POSTHORN_ALREADY_STARTED', message: 'The relay was started before' })
}

export function stopped(): LifecycleError {
  return new LifecycleError({ code: 'POSTHORN_STOPPED', message: 'The relay is not running' })
}
