import type { Contract } from '@posthorn/contracts'
import { destinationProblem, groupProblem } from '@posthorn/contracts'
import {
  consumerProblems,
  handlerProblems,
  resolveConsumerOptions,
  subscriptionsOf,
} from '../consumer/consumerOptions.js'
import type { ConsumerOptions } from '../consumer/consumerOptions.js'
import { makeConsumer } from '../consumer/consumer.js'
import type { Consumer, ConsumerHealth, ManagedConsumer } from '../consumer/consumer.js'
import { createDeadLetterIntake } from '../consumer/deadLetters.js'
import type { DeadLetterHandler } from '../consumer/deadLetters.js'
import { ConfigurationError, LifecycleError } from '../errors.js'
import { createKit, kitProblems } from '../messagingKit.js'
import type { KitOptions } from '../messagingKit.js'
import { optionProblems } from '../optionProblems.js'
import type { RunningSubscription, Subscription, TransportHealth } from '../ports.js'
import { makePublisher } from '../publisher/publisher.js'
import type { Publisher, PublisherHealth } from '../publisher/publisher.js'
import { kitRules, publisherRules, routingProblems } from '../publisher/publisherOptions.js'
import type { PublisherSettings } from '../publisher/publisherOptions.js'
import { startTransport } from './startTransport.js'
import type { StartOptions } from './startTransport.js'

/** What a service is made from. */
export interface ServiceOptions extends KitOptions, PublisherSettings {}

/** How a service stops. */
export interface StopOptions {
  /** How long at most, in milliseconds; what still runs then is released and delivered again elsewhere. @default 20_000 */
  readonly deadlineMs?: number
}

/** Whether a service works, and why not. */
export interface ServiceHealth {
  readonly state: 'idle' | 'starting' | 'running' | 'stopping' | 'stopped'
  /** True while everything that was declared runs and the transport takes messages. */
  readonly ready: boolean
  readonly transport: TransportHealth
  readonly publisher: PublisherHealth
  readonly consumers: readonly ConsumerHealth[]
}

/** A group whose dead letters are read. */
export interface DeadLetterSource {
  readonly destination: string
  readonly group: string
}

/** Publishes and consumes over one transport; made by `createService`. */
export interface Service extends Pick<Publisher, 'publish' | 'publishMany'>, AsyncDisposable {
  /** Declares a group's handlers; before `start`. Throws a `ConfigurationError` with all problems at once. */
  consume(group: string, options: ConsumerOptions): Consumer
  /** Declares that this service takes dead letters; before `start`. */
  readDeadLetters(source: DeadLetterSource, handler: DeadLetterHandler): void
  /** Resolves when the transport is connected and every group receives; see `StartOptions` for an absent broker. */
  start(options?: StartOptions): Promise<void>
  /**
   * Stops intake, lets handlers end (they can still publish), flushes and closes the transport. Always settles by the
   * deadline; idempotent. A stopped service does not start again.
   */
  stop(options?: StopOptions): Promise<void>
  health(): ServiceHealth
}

const defaultStopMs = 20_000
/** The last part of a stop is kept for the transport to close. */
const closeShare = 0.2

/** Makes a service; throws a `ConfigurationError` that lists all problems before any I/O. */
export function createService(options: ServiceOptions): Service {
  refuse('The service', serviceProblems(options))
  const kit = createKit(options)
  refuse('The service', [
    ...(options.publishes ?? []).flatMap((contract) => kit.registry.problems(contract)),
    ...kit.transport.check({ publishes: destinationsOf(options.publishes), subscriptions: [] }),
  ])
  const publisher = makePublisher(kit, options)
  const consumers = new Map<string, ManagedConsumer>()
  const deadLetterReaders: { readonly source: DeadLetterSource; readonly handler: DeadLetterHandler }[] = []
  let readers: RunningSubscription[] = []
  let state: ServiceHealth['state'] = 'idle'
  let starting: { readonly done: Promise<void>; readonly cancel: AbortController } | undefined
  let stopping: Promise<void> | undefined

  function declare(what: string): void {
    if (state === 'idle') return
    throw new LifecycleError({
      code: state === 'stopped' || state === 'stopping' ? 'POSTHORN_STOPPED' : 'POSTHORN_ALREADY_STARTED',
      message: `${what} must be declared before start(); the service is ${state}`,
    })
  }

  function declarationProblems(group: string, consumerOptions: ConsumerOptions): string[] {
    const problems = consumerProblems(group, consumerOptions, kit.transport)
    if (consumers.has(group)) problems.push(`group ${group} is declared twice; put all its handlers into one consume()`)
    const { handlers, maxInFlight } = consumerOptions ?? {}
    if (Array.isArray(handlers)) problems.push(...handlerProblems(handlers, maxInFlight ?? Infinity, kit.registry))
    if (problems.length > 0 || !Array.isArray(handlers)) return problems
    const resolved = resolveConsumerOptions(consumerOptions)
    problems.push(...handlerProblems(handlers, resolved.maxInFlight, kit.registry))
    if (problems.length > 0) return problems
    const subscriptions = subscriptionsOf(group, handlers, resolved)
    return [...kit.transport.check({ publishes: [], subscriptions })]
  }

  async function run(startOptions: StartOptions, cancel: AbortSignal): Promise<void> {
    const subscriptions = [...consumers.values()].flatMap((consumer) => consumer.prepare())
    refuse('The service', [...kit.transport.check({ publishes: [], subscriptions })])
    const publishes = destinationsOf(options.publishes)
    const sendOptions = await startTransport({ kit, publishes, startOptions, cancel })
    for (const { source, handler } of deadLetterReaders) {
      const intake = createDeadLetterIntake(kit, source.destination, handler)
      readers.push(await kit.transport.subscribe(deadSubscription(source), intake, sendOptions()))
    }
    for (const consumer of consumers.values()) await consumer.start(sendOptions())
  }

  async function start(startOptions: StartOptions): Promise<void> {
    declare('The start')
    state = 'starting'
    const cancel = new AbortController()
    const done = run(startOptions, cancel.signal)
    starting = { done, cancel }
    try {
      await done
      if (state === 'starting') state = 'running'
    } catch (error) {
      if (state === 'starting') await abandon()
      throw error
    }
  }

  /** A start that failed leaves nothing behind: no connection, no half of the groups. */
  async function abandon(): Promise<void> {
    await stop(kit.clock.monotonic() + 5_000)
  }

  async function stop(deadline: number): Promise<void> {
    state = 'stopping'
    starting?.cancel.abort(stoppedError())
    await starting?.done.catch(() => {})
    const leftMs = Math.max(0, deadline - kit.clock.monotonic())
    const drainDeadline = deadline - leftMs * closeShare
    const stops = [...consumers.values(), ...readers].map((unit) => unit.stop(drainDeadline))
    await Promise.allSettled(stops)
    await before(drainDeadline, publisher.idle())
    readers = []
    await kit.transport.close(deadline).catch((error: unknown) => {
      kit.logger.warn({ event: 'transport.close', err: error }, 'The transport did not close cleanly')
    })
    state = 'stopped'
  }

  function before(deadline: number, work: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const timer = kit.clock.schedule(Math.max(0, deadline - kit.clock.monotonic()), resolve)
      void work.finally(() => {
        timer.cancel()
        resolve()
      })
    })
  }

  /** While starting, handlers may already run, and while stopping they still do: both may publish. */
  function publishRefusal(): LifecycleError | undefined {
    if (state === 'idle') return notStarted()
    return state === 'stopped' ? stoppedError() : undefined
  }

  const service: Service = {
    consume(group, consumerOptions) {
      declare(`The group ${group}`)
      refuse(`The consumer of group ${String(group)}`, declarationProblems(group, consumerOptions))
      const consumer = makeConsumer({ kit, group, options: consumerOptions, publisher })
      consumers.set(group, consumer)
      return consumer
    },
    readDeadLetters(source, handler) {
      declare('A dead-letter reader')
      const problems = [destinationProblem(source?.destination), groupProblem(source?.group)]
      refuse(
        'The dead-letter reader',
        problems.filter((problem) => problem !== undefined),
      )
      deadLetterReaders.push({ source, handler })
    },
    publish(contract, data, publishOptions) {
      const refusal = publishRefusal()
      return refusal === undefined ? publisher.publish(contract, data, publishOptions) : Promise.reject(refusal)
    },
    publishMany(contract, list, publishOptions) {
      const refusal = publishRefusal()
      return refusal === undefined ? publisher.publishMany(contract, list, publishOptions) : Promise.reject(refusal)
    },
    start: (startOptions = {}) => start(startOptions),
    stop: (stopOptions = {}) => (stopping ??= stop(kit.clock.monotonic() + (stopOptions.deadlineMs ?? defaultStopMs))),
    health() {
      const transport = kit.transport.health()
      const health = [...consumers.values()].map((consumer) => consumer.health())
      const ready = state === 'running' && transport.state === 'ready' && health.every((one) => one.state === 'running')
      return { state, ready, transport, publisher: publisher.health(), consumers: health }
    },
    [Symbol.asyncDispose]: () => service.stop(),
  }
  return service
}

function serviceProblems(options: ServiceOptions): string[] {
  const problems = optionProblems('', options, { ...kitRules, ...publisherRules }, ['source', 'transport'])
  return problems.length > 0 ? problems : [...kitProblems(options), ...routingProblems(options, options.transport)]
}

function refuse(what: string, problems: readonly string[]): void {
  if (problems.length > 0) throw new ConfigurationError(what, problems)
}

function destinationsOf(contracts: readonly Contract[] | undefined): string[] {
  return [...new Set((contracts ?? []).map((contract) => contract.destination))]
}

function deadSubscription(source: DeadLetterSource): Subscription {
  return {
    ...source,
    source: 'dead',
    types: 'all',
    rungsMs: [],
    ordered: false,
    maxInFlight: 100,
    maxInFlightBytes: 67_108_864,
  }
}

function notStarted(): LifecycleError {
  return new LifecycleError({
    code: 'POSTHORN_NOT_STARTED',
    message: 'The service is not started; await service.start() before publishing',
  })
}

function stoppedError(): LifecycleError {
  return new LifecycleError({
    code: 'POSTHORN_STOPPED',
    message: 'The service is stopped; make a new one to go on',
  })
}
