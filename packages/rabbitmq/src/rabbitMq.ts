import { codeOf, fullJitter, LifecycleError } from '@posthorn/core/adapter'
import type {
  Capabilities,
  Declaration,
  SendOptions,
  Sender,
  Transport,
  TransportContext,
  TransportHealth,
} from '@posthorn/core/adapter'
import { BrokerConnection } from './connection.js'
import type { ConnectionHealth } from './connection.js'
import { createDeclaredExchanges } from './declaredExchanges.js'
import type { DeclaredExchanges } from './declaredExchanges.js'
import { declarationProblems } from './declarationProblems.js'
import { abortedError, unreachableError } from './errorMapping.js'
import { settingsOf } from './options.js'
import type { RabbitMqOptions, Settings } from './options.js'
import { PublishQueue } from './publishQueue.js'
import { createRabbitMqSender, maxBodyBytes } from './rabbitMqSender.js'
import { createRabbitMqSubscriber } from './rabbitMqSubscriber.js'
import type { RabbitMqSubscriber } from './rabbitMqSubscriber.js'
import { pause, settledBy, within } from './waiting.js'

/** At about 30,000 publishes a second a pause of a few milliseconds every three seconds; holds a few hundred KiB at worst. */
const recycleAfterCount = 100_000

/**
 * A transport on RabbitMQ 3.10 to 4.3. Makes no I/O until `connect`; throws a `ConfigurationError` with every problem of
 * the options. Publishing and consuming have a connection each, since a broker in an alarm stops reading from the ones
 * that publish, acks included.
 */
export function createRabbitMq(options: RabbitMqOptions): Transport {
  const settings = settingsOf(options)
  let parts: Parts | undefined
  let isClosed = false
  let closing: Promise<unknown> | undefined

  function started(): Parts {
    if (parts === undefined) throw notConnectedError()
    return parts
  }

  return {
    system: 'rabbitmq',
    capabilities: capabilitiesOf(settings),
    check: (declaration: Declaration) => declarationProblems(declaration),
    async connect(context, publishes, connectOptions) {
      if (isClosed) throw closedError()
      parts ??= createParts(settings, context)
      await connectAndDeclare(parts, publishes, connectOptions)
    },
    send(target, message, sendOptions) {
      if (parts === undefined) return Promise.reject(notConnectedError())
      return parts.sender.send(target, message, sendOptions)
    },
    subscribe: async (subscription, onDeliveries, subscribeOptions) =>
      started().subscriber.subscribe(subscription, onDeliveries, subscribeOptions),
    health: () => healthOf(settings, parts, isClosed),
    async close(deadline) {
      isClosed = true
      if (parts === undefined) return
      closing ??= closeParts(parts, deadline)
      await settledBy(closing, deadline, parts.context.clock)
    },
  }
}

interface Parts {
  readonly settings: Settings
  readonly context: TransportContext
  readonly exchanges: DeclaredExchanges
  readonly queue: PublishQueue
  readonly sender: Sender
  readonly publishing: BrokerConnection
  readonly subscriber: RabbitMqSubscriber
  readonly consuming: BrokerConnection
}

function createParts(settings: Settings, context: TransportContext): Parts {
  const exchanges = createDeclaredExchanges(settings.topology)
  const publishingParts = { settings, context, purpose: 'publishing' }
  const queue = new PublishQueue({ ...publishingParts, exchanges, recycleAfterCount })
  const consuming = new BrokerConnection({ settings, context, purpose: 'consuming' })
  return {
    settings,
    context,
    exchanges,
    queue,
    sender: createRabbitMqSender(queue, () => context.clock.monotonic()),
    publishing: new BrokerConnection(publishingParts, queue),
    subscriber: createRabbitMqSubscriber({ settings, context }, consuming),
    consuming,
  }
}

function closeParts(parts: Parts, deadline: number): Promise<unknown> {
  const { subscriber, consuming, queue, publishing } = parts
  return Promise.all([
    subscriber.close(deadline).then(() => consuming.close(deadline)),
    queue.close(deadline).then(() => publishing.close(deadline)),
  ])
}

async function connectAndDeclare(parts: Parts, publishes: readonly string[], options: SendOptions): Promise<void> {
  const { settings, context, exchanges, publishing } = parts
  const { clock } = context
  for (let failures = 1; ; failures += 1) {
    const live = await publishing.open(options)
    const declared = declareAll(exchanges, publishes, live)
    try {
      return await within(declared, options, clock, {
        late: () => unreachableError(settings, 'the broker did not answer a declaration'),
        aborted: (signal) => abortedError(settings, signal),
      })
    } catch (error) {
      // A broker that just starts or moves may fail a declaration that works a moment later.
      const mayPass = live.lost || codeOf(error) === 'POSTHORN_CONNECTION_LOST'
      if (!mayPass || clock.monotonic() >= options.deadline) throw error
      const delayMs = Math.min(fullJitter(failures, settings.reconnect), options.deadline - clock.monotonic())
      await pause(delayMs, options.signal ?? new AbortController().signal, clock)
    }
  }
}

async function declareAll(
  exchanges: DeclaredExchanges,
  publishes: readonly string[],
  live: Parameters<DeclaredExchanges['declare']>[1],
): Promise<void> {
  for (const name of publishes) if (!exchanges.has(name, live)) await exchanges.declare(name, live)
}

function capabilitiesOf(settings: Settings): Capabilities {
  return {
    routed: true,
    ordered: true,
    countsRedeliveries: true,
    maxHoldMs: settings.consumerTimeoutMs,
    maxBodyBytes,
    binaryPrefix: 'cloudEvents_',
  }
}

function healthOf(settings: Settings, parts: Parts | undefined, isClosed: boolean): TransportHealth {
  const { addresses } = settings
  if (isClosed) return { state: 'closed', addresses, reconnects: parts === undefined ? 0 : reconnectsOf(parts) }
  if (parts === undefined) return { state: 'idle', addresses, reconnects: 0 }
  const consuming = parts.consuming.health()
  const connections = [parts.publishing.health(), ...(consuming.state === 'idle' ? [] : [consuming])]
  const worst = connections.toSorted((left, right) => rank[left.state] - rank[right.state])[0] as ConnectionHealth
  const problem = parts.subscriber.problem()
  const reconnects = reconnectsOf(parts)
  // A group that does not consume is not ready, though its connection may be.
  if (worst.state === 'ready' && problem !== undefined) {
    return { state: 'connecting', reason: problem, addresses, reconnects }
  }
  return { state: worst.state, ...(worst.reason === undefined ? {} : { reason: worst.reason }), addresses, reconnects }
}

const rank: Readonly<Record<ConnectionHealth['state'], number>> = {
  closed: 0,
  idle: 1,
  connecting: 2,
  blocked: 3,
  ready: 4,
}

function reconnectsOf(parts: Parts): number {
  return parts.publishing.health().reconnects + parts.consuming.health().reconnects
}

function notConnectedError(): LifecycleError {
  return new LifecycleError({
    code: 'POSTHORN_NOT_STARTED',
    message: 'The RabbitMQ transport is not connected yet. Await connect() first, or start() of its service.',
  })
}

function closedError(): LifecycleError {
  return new LifecycleError({ code: 'POSTHORN_STOPPED', message: 'The RabbitMQ transport is closed. Make a new one.' })
}
