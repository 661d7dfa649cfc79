import { setMaxListeners } from 'node:events'
import { fullJitter } from '../backoff.js'
import { LifecycleError, codeOf } from '../errors.js'
import { object, oneOf, wholeNumber } from '../optionProblems.js'
import type { OptionRule } from '../optionProblems.js'
import { pause } from '../pause.js'
import type { SendOptions } from '../ports.js'
import type { StartSteps } from '../startSteps.js'
import { graceMs, neverStarted, settledBy } from '../settledBy.js'
import type { MessagingKit } from '../publisher/publisherOptions.js'

/** How a service starts. */
export interface StartOptions {
  /**
   * An absent broker, or database of a part: `fail` rejects at the deadline, `wait` goes on trying until `signal`
   * fires or the service is stopped. A refusal (credentials, topology) rejects in both. @default 'fail'
   */
  readonly ifUnavailable?: 'fail' | 'wait'
  /**
   * For the whole start, or with `wait` for each attempt, milliseconds; attempts of groups get longer from one to the next, up
   * to eight times this. @default 30_000
   */
  readonly deadlineMs?: number
  readonly signal?: AbortSignal
}

const defaultStartMs = 30_000
const backoff = { firstMs: 500, maxMs: 15_000 }
/**
 * An attempt that gives up leaves its group, and everybody joins anew: where joining takes longer than one attempt (Kafka waits
 * for members that died), attempts of one length would never see the end of it.
 */
const maxPatience = 8

/** Connects the transport as the options say; gives the way to try the further steps of the start. */
export async function startTransport(start: {
  readonly kit: MessagingKit
  readonly publishes: readonly string[]
  readonly startOptions: StartOptions
  /** Fires when the service is stopped meanwhile. */
  readonly cancel: AbortSignal
}): Promise<StartSteps> {
  const { kit, publishes, cancel } = start
  const { ifUnavailable = 'fail', deadlineMs = defaultStartMs, signal } = start.startOptions
  const { clock, logger, transport } = kit
  const either = signal === undefined ? cancel : AbortSignal.any([signal, cancel])
  setMaxListeners(0, either) // One for each subscription; Node.js warns at eleven.
  const firstDeadline = clock.monotonic() + deadlineMs
  const deadlineNow = (patience = 1): number =>
    ifUnavailable === 'wait' ? clock.monotonic() + deadlineMs * patience : firstDeadline

  async function persist<T>(
    step: (options: SendOptions) => Promise<T>,
    mayRepeat: (error: unknown) => boolean,
    patienceOf: (failures: number) => number = () => 1,
  ): Promise<T> {
    for (let failures = 1; ; failures += 1) {
      if (either.aborted) throw aborted(either)
      try {
        return await step({ deadline: deadlineNow(patienceOf(failures)), signal: either })
      } catch (error) {
        if (either.aborted) throw aborted(either)
        if (ifUnavailable === 'fail' || !isAbsence(error) || !mayRepeat(error)) throw error
        logger.warn({ event: 'start.waiting', failures, err: error }, 'Not everything is there yet; still trying')
        await pause(clock, fullJitter(failures, backoff), either)
      }
    }
  }

  const timed = <T>(work: Promise<T>, deadline: number, late: () => Error): Promise<T> =>
    settledBy({ clock, deadline: deadline + graceMs, work, late })

  await persist(
    (options) =>
      timed(transport.connect({ logger, clock }, publishes, options), options.deadline, () => neverStarted('connect')),
    () => true,
  )
  return {
    get deadline() {
      return deadlineNow()
    },
    attempt(step, late) {
      let lateError: Error | undefined
      return persist(
        (options) => timed(step(options), options.deadline, () => (lateError = late())),
        (error) => error !== lateError,
        (failures) => Math.min(2 ** (failures - 1), maxPatience),
      )
    },
  }
}

/** A broker, or the database of a part, that is not there yet. */
function isAbsence(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'POSTHORN_UNREACHABLE' || code === 'POSTHORN_OUTBOX_UNAVAILABLE'
}

function aborted(signal: AbortSignal): unknown {
  if (codeOf(signal.reason) !== undefined) return signal.reason
  return new LifecycleError({
    code: 'POSTHORN_STOPPED',
    message: 'The start was aborted',
    cause: signal.reason,
  })
}

export const startRules: Readonly<Record<keyof StartOptions, OptionRule>> = {
  ifUnavailable: oneOf('fail', 'wait'),
  deadlineMs: wholeNumber(1),
  signal: object,
}
