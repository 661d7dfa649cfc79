import { setMaxListeners } from 'node:events'
import { fullJitter } from '../backoff.js'
import { LifecycleError, codeOf } from '../errors.js'
import { object, oneOf, wholeNumber } from '../optionProblems.js'
import type { OptionRule } from '../optionProblems.js'
import { pause } from '../pause.js'
import type { SendOptions } from '../ports.js'
import { graceMs, neverStarted, settledBy } from '../settledBy.js'
import type { MessagingKit } from '../publisher/publisherOptions.js'

/** How a service starts. */
export interface StartOptions {
  /**
   * An absent broker: `fail` rejects with a `ConnectionError` at the deadline, `wait` goes on trying until `signal`
   * fires or the service is stopped. A refusal (credentials, topology) rejects in both. @default 'fail'
   */
  readonly ifUnavailable?: 'fail' | 'wait'
  /** For the whole start, or with `wait` for each attempt; milliseconds. @default 30_000 */
  readonly deadlineMs?: number
  readonly signal?: AbortSignal
}

const defaultStartMs = 30_000
const backoff = { firstMs: 500, maxMs: 15_000 }

/** Connects the transport as the options say; gives what further steps of the start may take. */
export async function startTransport(start: {
  readonly kit: MessagingKit
  readonly publishes: readonly string[]
  readonly startOptions: StartOptions
  /** Fires when the service is stopped meanwhile. */
  readonly cancel: AbortSignal
}): Promise<() => SendOptions> {
  const { kit, publishes, cancel } = start
  const { ifUnavailable = 'fail', deadlineMs = defaultStartMs, signal } = start.startOptions
  const { clock, logger, transport } = kit
  const either = signal === undefined ? cancel : AbortSignal.any([signal, cancel])
  setMaxListeners(0, either) // One for each subscription; Node.js warns at eleven.
  const firstDeadline = clock.monotonic() + deadlineMs
  const options = (): SendOptions => ({
    deadline: ifUnavailable === 'wait' ? clock.monotonic() + deadlineMs : firstDeadline,
    signal: either,
  })

  for (let failures = 1; ; failures += 1) {
    if (either.aborted) throw aborted(either)
    try {
      const { deadline } = options()
      const work = transport.connect({ logger, clock }, publishes, options())
      await settledBy({ clock, deadline: deadline + graceMs, work, late: () => neverStarted('connect') })
      return options
    } catch (error) {
      if (either.aborted) throw aborted(either)
      if (ifUnavailable === 'fail' || codeOf(error) !== 'POSTHORN_UNREACHABLE') throw error
      logger.warn({ event: 'start.waiting', failures, err: error }, 'The broker is not there yet; still trying')
      await pause(clock, fullJitter(failures, backoff), either)
    }
  }
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
