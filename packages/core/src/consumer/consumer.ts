import { ConfigurationError, LifecycleError } from '../errors.js'
import type { TimerHandle } from '../clock.js'
import type { Subscription } from '../ports.js'
import { endedBy } from '../settledBy.js'
import type { StartSteps } from '../startSteps.js'
import type { Publisher } from '../publisher/publisher.js'
import type { MessagingKit } from '../publisher/publisherOptions.js'
import { consumerHealth } from './consumerHealth.js'
import type { ConsumerHealth } from './consumerHealth.js'
import { handlerProblems, resolveConsumerOptions, subscriptionsOf } from './consumerOptions.js'
import type { ConsumerOptions, ResolvedConsumerOptions } from './consumerOptions.js'
import { createGroupIntake } from './groupIntake.js'
import type { HandlerRegistration } from './handler.js'
import type { HandlerEntry } from './handlerTable.js'
import { compose } from './middleware.js'
import { createPipeline } from './pipeline.js'
import type { Pipeline, PipelineReadings } from './pipeline.js'

/** One group's handlers, running. */
export interface Consumer {
  readonly group: string
  /**
   * Starts no further handler calls; deliveries wait, up to `maxInFlight`. Where the broker lets nobody hold them for long,
   * they are given back when the pause has lasted a tenth of that time, and the group subscribes anew when it resumes.
   */
  pause(): void
  resume(): void
  health(): ConsumerHealth
  /** Resolves when no delivery is in the process. A broker may have more to deliver. */
  idle(): Promise<void>
}

/** A consumer with its lifecycle, for the service. */
export interface ManagedConsumer extends Consumer {
  /** Calls lazy handlers once, and checks them; without I/O. */
  prepare(): { readonly subscriptions: readonly Subscription[]; readonly problems: readonly string[] }
  start(steps: StartSteps): Promise<void>
  /** Stops intake, lets running calls end, and releases the rest at the deadline. Always settles. Idempotent. */
  stop(deadline: number): Promise<void>
  readings(): ConsumerReadings
}

/** What metrics are made of, beside `health()`. */
export interface ConsumerReadings {
  /** Undefined before handlers are known. */
  readonly pipeline: PipelineReadings | undefined
  /** Limit of what is in flight, over all destinations. */
  readonly window: number
  readonly concurrency: number
  /** Undefined where keys are not held. */
  readonly maxHeldKeys: number | undefined
}

export interface ManagedConsumerOptions {
  readonly kit: MessagingKit
  readonly group: string
  readonly options: ConsumerOptions
  readonly publisher: Publisher | undefined
}

interface Prepared {
  readonly subscriptions: readonly Subscription[]
  readonly problems: readonly string[]
  readonly pipeline: Pipeline | undefined
}

/** After this share of the time that the transport lets a delivery be unsettled, a pause gives back what waits. */
const restShare = 0.1
/** What the transport has to let go of a subscription that rests. */
const restMs = 30_000

/** Makes a consumer from options that were checked; lazy handlers are checked by `prepare`. */
export function makeConsumer({ kit, group, options, publisher }: ManagedConsumerOptions): ManagedConsumer {
  const resolved = resolveConsumerOptions(options, kit.transport.capabilities.maxHoldMs)
  let state: ConsumerHealth['state'] = 'idle'
  let prepared: Prepared | undefined
  let paused = false
  let resting = false
  let restTimer: TimerHandle | undefined
  let stopping: Promise<void> | undefined
  const intake = createGroupIntake({
    kit,
    group,
    onDeliveries: (destination, deliveries) => prepared?.pipeline?.take(destination, deliveries),
  })

  function prepare(): Prepared {
    if (prepared !== undefined) return prepared
    const handlers = typeof options.handlers === 'function' ? options.handlers() : options.handlers
    const found = handlerProblems(handlers, resolved.maxInFlight, kit.registry)
    const problems = found.map((problem) => `group ${group}: ${problem}`)
    if (problems.length > 0) return { problems, subscriptions: [], pipeline: undefined }
    const table = tableOf(kit, handlers, resolved)
    const pipeline = createPipeline({ kit, group, options: resolved, table, publisher })
    prepared = { problems, pipeline, subscriptions: subscriptionsOf(group, handlers, resolved) }
    return prepared
  }

  function pauseNow(): void {
    state = 'paused'
    prepared?.pipeline?.pause()
    const { maxHoldMs } = kit.transport.capabilities
    if (maxHoldMs !== undefined) restTimer = kit.clock.schedule(maxHoldMs * restShare, rest, { background: true })
  }

  /** A broker that takes deliveries back by itself counts that as a crash, of messages that did nothing. */
  function rest(): void {
    resting = true
    kit.logger.info(
      { event: 'consumer.rest', group },
      'Paused for long: what waits goes back until the consumer resumes',
    )
    // Intake first: a broker would deliver what is released to us again.
    void intake.stop(kit.clock.monotonic() + restMs)
    prepared?.pipeline?.rest()
  }

  /** True when it had given back what waited. */
  function endPause(): boolean {
    restTimer?.cancel()
    const rested = resting
    resting = false
    return rested
  }

  async function stop(deadline: number): Promise<void> {
    state = 'draining'
    endPause()
    // Intake first: a broker would deliver what `drain` releases to us again.
    const stops = intake.stop(deadline)
    prepared?.pipeline?.drain()
    // Together: a subscription that takes its time must not eat up the handlers'.
    const intakeEnded = endedBy(kit.clock, deadline, stops)
    await prepared?.pipeline?.finish(deadline)
    await intakeEnded
    state = 'stopped'
  }

  return {
    group,
    prepare,
    async start(steps) {
      if (state !== 'idle') {
        throw new LifecycleError({
          code: 'POSTHORN_ALREADY_STARTED',
          message: `The consumer of ${group} is ${state}; make a new service`,
        })
      }
      const { subscriptions, pipeline, problems } = prepare()
      if (pipeline === undefined) throw new ConfigurationError('The service', problems)
      state = 'running'
      if (paused) pauseNow()
      try {
        await intake.open(subscriptions, steps)
      } catch (error) {
        endPause()
        pipeline.resume()
        state = 'idle'
        throw error
      }
    },
    stop: (deadline) => (stopping ??= stop(deadline)),
    pause() {
      paused = true
      if (state === 'running') pauseNow()
    },
    resume() {
      paused = false
      if (state !== 'paused') return
      state = 'running'
      const rested = endPause()
      prepared?.pipeline?.resume()
      if (rested) void intake.reopen(prepared?.subscriptions ?? [])
    },
    health() {
      const shown = state === 'running' && !intake.isOpen ? 'starting' : state
      return consumerHealth({ group, state: shown, pipeline: prepared?.pipeline?.health(), transport: kit.transport })
    },
    readings: () => ({
      pipeline: prepared?.pipeline?.readings(),
      window: resolved.maxInFlight * (prepared?.subscriptions.length ?? 0),
      concurrency: resolved.concurrency,
      maxHeldKeys: resolved.order?.onRetry === 'holdKey' ? resolved.order.maxHeldKeys : undefined,
    }),
    idle: () => prepared?.pipeline?.idle() ?? Promise.resolve(),
  }
}

function tableOf(
  kit: MessagingKit,
  handlers: readonly HandlerRegistration[],
  resolved: ResolvedConsumerOptions,
): Map<string, HandlerEntry> {
  return new Map(
    handlers.map((registration) => [
      registration.contract.type,
      {
        registration,
        invoke: compose(registration, resolved.middleware),
        validate: kit.registry.validatorOf(registration.contract),
      },
    ]),
  )
}
