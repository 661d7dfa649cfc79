import type { Clock } from '../clock.js'
import { codeOf, ConfigurationError, LifecycleError } from '../errors.js'
import { optionProblems, wholeNumber } from '../optionProblems.js'
import { endedBy } from '../settledBy.js'
import type { StartOptions } from './startTransport.js'

/** idle → starting → running → stopping → stopped; a start that fails ends in stopped, and nothing leads back. */
export type ServiceState = 'idle' | 'starting' | 'running' | 'stopping' | 'stopped'

/** How a service stops. */
export interface StopOptions {
  /** How long at most, in milliseconds; what still runs then is released and delivered again elsewhere. @default 20_000 */
  readonly deadlineMs?: number
}

/** What a lifecycle drives. Each step may fail or hang; the lifecycle settles all the same. */
export interface LifecycleSteps {
  readonly clock: Clock
  /** `cancel` fires when the service is stopped meanwhile. */
  open(options: StartOptions, cancel: AbortSignal): Promise<void>
  /** Lets work under way end; the deadline is on the monotonic clock. */
  drain(deadline: number): Promise<void>
  close(deadline: number): Promise<void>
}

export interface Lifecycle {
  readonly state: ServiceState
  /** The start rejected for a reason of its own, not because it was stopped or aborted. */
  readonly startFailed: boolean
  /** Throws a `LifecycleError` unless nothing has started yet. */
  requireIdle(what: string): void
  /** Why nothing can be published now; undefined when it can. */
  publishRefusal(): LifecycleError | undefined
  start(options: StartOptions): Promise<void>
  stop(options: StopOptions): Promise<void>
}

const defaultStopMs = 20_000
/** What a failed start may take to clean up. */
const abandonMs = 5_000
/** The last part of a stop is kept for the transport to close. */
const closeShare = 0.2

export function createLifecycle(steps: LifecycleSteps): Lifecycle {
  const { clock } = steps
  const cancel = new AbortController()
  let state: ServiceState = 'idle'
  let startFailed = false
  let opening: Promise<void> | undefined
  let stopping: Promise<void> | undefined

  function requireIdle(what: string): void {
    if (state === 'idle') return
    const stopped = state === 'stopped' || state === 'stopping'
    throw new LifecycleError({
      code: stopped ? 'POSTHORN_STOPPED' : 'POSTHORN_ALREADY_STARTED',
      message: `${what} must come before start(); the service is ${state}`,
    })
  }

  async function stopBy(deadline: number): Promise<void> {
    state = 'stopping'
    cancel.abort(stopped())
    const drainDeadline = deadline - Math.max(0, deadline - clock.monotonic()) * closeShare
    await endedBy(clock, drainDeadline, opening)
    await endedBy(clock, drainDeadline, steps.drain(drainDeadline))
    await endedBy(clock, deadline, steps.close(deadline))
    state = 'stopped'
  }

  return {
    get state() {
      return state
    },
    get startFailed() {
      return startFailed
    },
    requireIdle,
    /** While starting, handlers may already run, and while stopping they still do: both may publish. */
    publishRefusal() {
      if (state === 'idle') return notStarted()
      return state === 'stopped' ? stopped() : undefined
    },
    async start(options) {
      requireIdle('This call of start()')
      state = 'starting'
      opening = steps.open(options, cancel.signal)
      try {
        await opening
      } catch (error) {
        startFailed = stopping === undefined && codeOf(error) !== 'POSTHORN_STOPPED'
        // A start that failed leaves nothing behind: no connection, no half of the groups.
        await (stopping ??= stopBy(clock.monotonic() + abandonMs))
        throw error
      }
      if (stopping !== undefined) throw stopped()
      state = 'running'
    },
    stop(options) {
      const problems = optionProblems('', options, { deadlineMs: wholeNumber(0) })
      if (problems.length > 0) return Promise.reject(new ConfigurationError('stop()', problems))
      return (stopping ??= stopBy(clock.monotonic() + (options.deadlineMs ?? defaultStopMs)))
    },
  }
}

function notStarted(): LifecycleError {
  return new LifecycleError({
    code: 'POSTHORN_NOT_STARTED',
    message: 'The service is not started; await service.start() before publishing',
  })
}

function stopped(): LifecycleError {
  return new LifecycleError({
    code: 'POSTHORN_STOPPED',
    message: 'The service is stopped; make a new one to go on',
  })
}
