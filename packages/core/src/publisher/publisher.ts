import type { Contract } from '@posthorn/contracts'
import { createDeadlines } from '../deadlines.js'
import { ConfigurationError, PublishError } from '../errors.js'
import { withDefaults } from '../optionProblems.js'
import { graceMs } from '../settledBy.js'
import type { Receipt, SendOptions, WireMessage } from '../ports.js'
import { asBuildError, createMessageBuilder } from './messageBuilder.js'
import { none, publishOptionProblems } from './publishOptions.js'
import type { PublishOptions, PublishResult } from './publishOptions.js'
import type { MessagingKit, PublisherSettings } from './publisherOptions.js'
import { explainAbsence, Sending, unrouted } from './sending.js'
import { createWindow } from './window.js'

/** Counts since the start. */
export interface PublisherHealth {
  readonly published: number
  readonly failed: number
  readonly unrouted: number
  readonly unconfirmed: number
  readonly unconfirmedBytes: number
  readonly waiting: number
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

const defaults = { deadlineMs: 30_000, maxUnconfirmed: 2_000, maxUnconfirmedBytes: 67_108_864 }

/** Makes a publisher from checked settings; who made the transport opens and closes it. */
export function makePublisher(kit: MessagingKit, settings: PublisherSettings): Publisher {
  const { deadlineMs, maxUnconfirmed, maxUnconfirmedBytes } = withDefaults(defaults, settings)
  const deadlines = createDeadlines(kit.clock)
  const window = createWindow(maxUnconfirmed, maxUnconfirmedBytes, deadlines)
  const builder = createMessageBuilder(kit, settings)
  const { transport, clock } = kit
  const counts = { published: 0, failed: 0, unrouted: 0 }
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
      const refuse = (error: PublishError): void => {
        counts.failed += 1
        reject(explainAbsence(error, transport))
        if (isIdle()) wakeIdle()
      }
      const admit = (): void => dispatch(sending)
      window.enter({ ...sendOptions(deadline, signal), bytes: sending.bytes, admit, refuse })
    })
  }

  function dispatch(sending: Sending): void {
    sending.open = true
    deadlines.add(sending)
    const until = sendOptions(sending.at - graceMs, sending.options.signal)
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
    counts.failed += 1
    sending.reject(explainAbsence(error, transport))
  }

  function confirmed(sending: Sending, { routed }: Receipt): void {
    const { contract, options } = sending
    if (routed === false) {
      const mustRoute = options.mustRoute ?? settings.mustRoute ?? contract.kind === 'command'
      if (mustRoute) return fail(sending, unrouted(contract))
    }
    if (!leave(sending)) return
    counts.published += 1
    if (routed === false) noteUnrouted(contract)
    sending.resolve({ id: sending.message.id, routed })
  }

  const isIdle = (): boolean => window.count + window.waiting === 0

  /** Logged at powers of two: the first matters, the millionth does not. */
  function noteUnrouted(contract: Contract): void {
    counts.unrouted += 1
    if ((counts.unrouted & (counts.unrouted - 1)) !== 0) return
    const facts = { event: 'publish.unrouted', type: contract.type, destination: contract.destination }
    kit.logger.info({ ...facts, unrouted: counts.unrouted }, 'An event was published that nobody receives')
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
      counts.failed += 1
      throw asBuildError(error)
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
    health: () => ({
      ...counts,
      unconfirmed: window.count,
      unconfirmedBytes: window.bytes,
      waiting: window.waiting,
    }),
    idle: () => (isIdle() ? Promise.resolve() : new Promise((resolve) => idleWaiters.push(resolve))),
  }
}

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
