import { ConfigurationError, LifecycleError } from '../errors.js'
import type { Delivery, RunningSubscription, Subscription } from '../ports.js'
import { endedBy, graceMs, neverStarted } from '../settledBy.js'
import type { StartSteps } from '../startSteps.js'
import type { Publisher } from '../publisher/publisher.js'
import type { MessagingKit } from '../publisher/publisherOptions.js'
import { consumerHealth } from './consumerHealth.js'
import type { ConsumerHealth } from './consumerHealth.js'
import { handlerProblems, resolveConsumerOptions, subscriptionsOf } from './consumerOptions.js'
import type { ConsumerOptions, ResolvedConsumerOptions } from './consumerOptions.js'
import type { HandlerRegistration } from './handler.js'
import type { HandlerEntry } from './handlerTable.js'
import { compose } from './middleware.js'
import { createPipeline } from './pipeline.js'
import type { Pipeline, PipelineReadings } from './pipeline.js'

/** One group's handlers, running. */
export interface Consumer {
  readonly group: string
  /** Starts no further handler calls; deliveries wait, up to `maxInFlight`. */
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

/** Makes a consumer from options that were checked; lazy handlers are checked by `prepare`. */
export function makeConsumer({ kit, group, options, publisher }: ManagedConsumerOptions): ManagedConsumer {
  const resolved = resolveConsumerOptions(options, kit.transport.capabilities.maxHoldMs)
  let state: ConsumerHealth['state'] = 'idle'
  let prepared: Prepared | undefined
  let running: RunningSubscription[] = []
  let paused = false
  let isSubscribed = false
  let stopping: Promise<void> | undefined

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

  async function stop(deadline: number): Promise<void> {
    state = 'draining'
    // Intake first: a broker would deliver what `drain` releases to us again.
    const stops = running.map((subscription) => subscription.stop(deadline))
    prepared?.pipeline?.drain()
    // Together: a subscription that takes its time must not eat up the handlers'.
    const intakeEnded = endedBy(kit.clock, deadline, Promise.allSettled(stops))
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
      state = paused ? 'paused' : 'running'
      if (paused) pipeline.pause()
      const subscribe = async (subscription: Subscription): Promise<void> => {
        const onDeliveries = (deliveries: readonly Delivery[]): void =>
          pipeline.take(subscription.destination, deliveries)
        running.push(
          await steps.attempt(
            (options) => kit.transport.subscribe(subscription, onDeliveries, options),
            () => neverStarted(`subscription to ${subscription.destination}`),
          ),
        )
      }
      const results = await Promise.allSettled(subscriptions.map(subscribe))
      const failed = results.find((result) => result.status === 'rejected')
      if (failed === undefined) {
        isSubscribed = true
        return
      }
      // All or nothing: a group that hears only some of its destinations looks healthy and is not.
      const { deadline } = steps
      const stops = running.map((subscription) => subscription.stop(deadline))
      await endedBy(kit.clock, deadline + graceMs, Promise.allSettled(stops))
      running = []
      state = 'idle'
      throw failed.reason
    },
    stop: (deadline) => (stopping ??= stop(deadline)),
    pause() {
      paused = true
      if (state !== 'running') return
      state = 'paused'
      prepared?.pipeline?.pause()
    },
    resume() {
      paused = false
      if (state !== 'paused') return
      state = 'running'
      prepared?.pipeline?.resume()
    },
    health() {
      const shown = state === 'running' && !isSubscribed ? 'starting' : state
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
