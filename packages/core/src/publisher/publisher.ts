import { AsyncResource } from 'node:async_hooks'
import type { Contract } from '@posthorn/contracts'
import { createDeadlines } from '../deadlines.js'
import { codeOf, ConfigurationError, PublishError } from '../errors.js'
import { joinHealth } from '../health.js'
import type { Health } from '../health.js'
import { withDefaults } from '../optionProblems.js'
import { graceMs } from '../settledBy.js'
import type { Receipt, SendOptions, WireMessage } from '../ports.js'
import { asBuildError, createMessageBuilder } from './messageBuilder.js'
import { none, publishOptionProblems } from './publishOptions.js'
import type { PublishOptions, PublishResult } from './publishOptions.js'
import type { MessagingKit, PublisherSettings } from './publisherOptions.js'
import { explainAbsence, Sending, unrouted } from './sending.js'
import { createWindow } from './window.js'

/** Ready while the transport is; counts are since the start. */
export interface PublisherHealth extends Health {
  readonly published: number
  readonly failed: number
  readonly unrouted: number
  readonly unconfirmed: number
  readonly unconfirmedBytes: number
  readonly waiting: number
}

/** What metrics are made of, beside `health()`. */
export interface PublisherReadings {
  /** Publishes that failed, by the code of the error. */
  readonly failures: Readonly<Record<string, number>>
  readonly maxUnconfirmed: number
  readonly maxUnconfirmedBytes: number
  /** How long publishes have waited for room, all added up. */
  readonly waitedMs: number
}

/** Sends messages of contracts. */
export interface Publisher {
  /**
   * Resolves when the broker has confirmed the message; rejects within its deadline otherwise: an
   * `EnvelopeValidationError` or `SerializationError` when nothing was sent, else a `PublishError` that says `notSent`
   * or `unknown`. Messages of one partition key are sent in call order.
   */
  publish<Data>(contract: Contract<Data>, data: Data, options?: PublishOptions): Promise<PublishResult>
  /**
   * Publishes a list and resolves when all are confirmed, results in the list's order. All are validated before the
   * first is sent. Rejects with `POSTHORN_PUBLISH_MANY` when some were not confirmed; `details.failed` lists them.
   */
  publishMany<Data>(
    contract: Contract<Data>,
    list: readonly Data[],
    options?: Omit<PublishOptions, 'id'>,
  ): Promise<PublishResult[]>
  health(): PublisherHealth
  /** Resolves when nothing is unconfirmed; every publish has a deadline, so this has one too. */
  idle(): Promise<void>
}

/** A publisher with its numbers, for the service. */
export interface ManagedPublisher extends Publisher {
  readings(): PublisherReadings
}

const defaults = { deadlineMs: 30_000, maxUnconfirmed: 2_000, maxUnconfirmedBytes: 67_108_864 }

/** Makes a publisher from checked settings; who made the transport opens and closes it. */
export function makePublisher(kit: MessagingKit, settings: PublisherSettings): ManagedPublisher {
  const { deadlineMs, maxUnconfirmed, maxUnconfirmedBytes } = withDefaults(defaults, settings)
  const deadlines = createDeadlines(kit.clock)
  const window = createWindow(maxUnconfirmed, maxUnconfirmedBytes, deadlines)
  const builder = createMessageBuilder(kit, settings)
  const { transport, clock } = kit
  const counts = { published: 0, failed: 0, unrouted: 0 }
  const failures: Record<string, number> = {}
  let waitedMs = 0
  let idleWaiters: (() => void)[] = []

  function send(contract: Contract, message: WireMessage, options: PublishOptions): Promise<PublishResult> {
    const { signal } = options
    const deadline = clock.monotonic() + (options.deadlineMs ?? deadlineMs)
    return new Promise((resolve, reject) => {
      const sending = new Sending(fail, contract, message)
      sending.options = options
      sending.at = deadline + graceMs
      sending.resolve = resolve
      sending.reject = reject
      if (signal?.aborted !== true && window.tryEnter(sending.bytes)) return dispatch(sending)
      const since = clock.monotonic()
      const refuse = (error: PublishError): void => {
        waitedMs += clock.monotonic() - since
        countFailure(error)
        reject(explainAbsence(error, transport))
        if (isIdle()) wakeIdle()
      }
      // What makes room runs in the trace of another message.
      const enter = (): void => {
        waitedMs += clock.monotonic() - since
        dispatch(sending)
      }
      const admit = kit.telemetry === undefined ? enter : AsyncResource.bind(enter)
      window.enter({ ...sendOptions(deadline, signal), bytes: sending.bytes, admit, refuse })
    })
  }

  function dispatch(sending: Sending): void {
    sending.open = true
    deadlines.add(sending)
    const { signal } = sending.options
    const deadline = sending.at - graceMs
    const mustRoute = mustBeRouted(sending)
    const until = signal === undefined ? { deadline, mustRoute } : { deadline, mustRoute, signal }
    try {
      transport.send({ destination: sending.contract.destination }, sending.message, until).then(
        (receipt) => confirmed(sending, receipt),
        (error: unknown) => fail(sending, error),
      )
    } catch (error) {
      fail(sending, error) // Against the port, but the place in the window must not be lost over it.
    }
  }

  /** The place in the window is held until the transport has settled. False when it was left already. */
  function leave(sending: Sending): boolean {
    if (!sending.open) return false
    sending.open = false
    deadlines.remove(sending)
    window.leave(sending.bytes)
    if (idleWaiters.length > 0 && isIdle()) wakeIdle()
    return true
  }

  function fail(sending: Sending, error: unknown): void {
    if (!leave(sending)) return
    countFailure(error)
    sending.reject(explainAbsence(error, transport))
  }

  function confirmed(sending: Sending, { routed }: Receipt): void {
    const { contract } = sending
    if (routed === false && mustBeRouted(sending)) return fail(sending, unrouted(contract))
    if (!leave(sending)) return
    counts.published += 1
    if (routed === false) noteUnrouted(contract)
    sending.resolve({ id: sending.message.id, routed })
  }

  function mustBeRouted({ contract, options }: Sending): boolean {
    return options.mustRoute ?? settings.mustRoute ?? contract.kind === 'command'
  }

  function countFailure(error: unknown): void {
    const code = codeOf(error) ?? otherError
    counts.failed += 1
    failures[code] = (failures[code] ?? 0) + 1
  }

  const isIdle = (): boolean => window.count + window.waiting === 0

  /** Logged at powers of two: the first matters, the millionth does not. */
  function noteUnrouted(contract: Contract): void {
    counts.unrouted += 1
    if ((counts.unrouted & (counts.unrouted - 1)) !== 0) return
    const { type, destination } = contract
    const facts = { event: 'publish.unrouted', type, destination, unrouted: counts.unrouted }
    kit.logger.info(facts, 'An event was published that nobody receives')
  }

  function wakeIdle(): void {
    if (idleWaiters.length === 0) return
    const waiters = idleWaiters
    idleWaiters = []
    for (const wake of waiters) wake()
  }

  function build(contract: Contract, data: unknown, options: PublishOptions): WireMessage {
    try {
      const problems = publishOptionProblems(options, transport)
      if (problems.length > 0) throw new ConfigurationError(`publish(${contract.type})`, problems)
      return builder.build(contract, data, options)
    } catch (error) {
      const problem = asBuildError(error)
      countFailure(problem)
      throw problem
    }
  }

  return {
    publish(contract, data, options = none) {
      try {
        return send(contract, build(contract, data, options), options)
      } catch (error) {
        return Promise.reject(error)
      }
    },
    async publishMany(contract, list, options = none) {
      if ('id' in options) throw new ConfigurationError('publishMany', ['options.id would be the id of every message'])
      const messages = list.map((data) => build(contract, data, options))
      const settled = await Promise.allSettled(messages.map((message) => send(contract, message, options)))
      return collect(settled, contract)
    },
    // A publish always ends by its deadline: there is nothing of its own that could stand still.
    health: () => ({
      ...joinHealth([transport.health()]),
      ...counts,
      unconfirmed: window.count,
      unconfirmedBytes: window.bytes,
      waiting: window.waiting,
    }),
    readings: () => ({ failures, maxUnconfirmed, maxUnconfirmedBytes, waitedMs }),
    idle: () => (isIdle() ? Promise.resolve() : new Promise((resolve) => idleWaiters.push(resolve))),
  }
}

/** What the conventions write for an error without a code of its own. */
const otherError = '_OTHER'

function sendOptions(deadline: number, signal: AbortSignal | undefined): SendOptions {
  return signal === undefined ? { deadline } : { deadline, signal }
}

function collect(settled: readonly PromiseSettledResult<PublishResult>[], contract: Contract): PublishResult[] {
  const failed = settled.flatMap((result, index) =>
    result.status === 'rejected' ? [{ index, error: result.reason as unknown }] : [],
  )
  if (failed.length === 0) return settled.map((result) => (result as PromiseFulfilledResult<PublishResult>).value)
  const allNotSent = failed.length === settled.length && failed.every(({ error }) => outcomeOf(error) === 'notSent')
  throw new PublishError({
    code: 'POSTHORN_PUBLISH_MANY',
    outcome: allNotSent ? 'notSent' : 'unknown',
    message: `${failed.length} of ${settled.length} messages of ${contract.type} were not confirmed; see details.failed`,
    details: { failed },
  })
}

function outcomeOf(error: unknown): unknown {
  return (error as { outcome?: unknown } | undefined)?.outcome
}
