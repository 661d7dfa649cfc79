import { codeOf, createLog, fullJitter, LifecycleError, transportHealth } from '@posthorn/core/adapter'
import type {
  Capabilities,
  Declaration,
  EventLoopWatch,
  SendOptions,
  Sender,
  Transport,
  TransportContext,
  TransportHealth,
} from '@posthorn/core/adapter'
import { BrokerConnection } from './connection.js'
import type { ConnectionHealth, LiveConnection } from './connection.js'
import { createCounts } from './counts.js'
import type { Counts } from './counts.js'
import { createDeclaredExchanges } from './declaredExchanges.js'
import type { DeclaredExchanges } from './declaredExchanges.js'
import { declarationProblems } from './declarationProblems.js'
import { abortedError, unreachableError } from './errorMapping.js'
import { watchHeartbeat } from './heartbeatWatch.js'
import { settingsOf } from './options.js'
import type { RabbitMqOptions, Settings } from './options.js'
import { prepareTopology } from './prepareTopology.js'
import { PublishQueue } from './publishQueue.js'
import { createRabbitMqSender, maxBodyBytes } from './rabbitMqSender.js'
import { createRabbitMqSubscriber } from './rabbitMqSubscriber.js'
import type { RabbitMqSubscriber } from './rabbitMqSubscriber.js'
import { planTopology } from './topology.js'
import { createTopologyAdmin } from './topologyAdmin.js'
import type { RabbitMqTopology } from './topologyAdmin.js'
import { createUnroutedKeeper } from './unroutedKeeper.js'
import { pause, settledBy, within } from './waiting.js'

/** At about 30,000 publishes a second a pause of a few milliseconds every three seconds; holds a few hundred KiB at worst. */
const recycleAfterCount = 100_000

/** A transport that also plans and prepares its broker. */
export interface RabbitMqTransport extends Transport {
  readonly topology: RabbitMqTopology
}

/**
 * A transport on RabbitMQ 3.10 to 4.3. Makes no I/O until `connect`; throws a `ConfigurationError` with every problem of
 * the options. Publishing and consuming have a connection each, since a broker in an alarm stops reading from the ones
 * that publish, acks included.
 */
export function createRabbitMq(options: RabbitMqOptions): RabbitMqTransport {
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
    topology: createTopologyAdmin(settings),
    check: (declaration: Declaration) => declarationProblems(declaration, settings.topology),
    async connect(context, publishes, connectOptions) {
      if (isClosed) throw closedError()
      parts ??= createParts(settings, context)
      await connectAndDeclare(parts, publishes, connectOptions)
    },
    send(target, message, sendOptions) {
      if (parts === undefined) return Promise.reject(notConnectedError())
      if ('destination' in target) return parts.sender.send(target, message, sendOptions)
      return sendCopy(parts, target, message, sendOptions)
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
  readonly counts: Counts
  readonly exchanges: DeclaredExchanges
  readonly queue: PublishQueue
  readonly sender: Sender
  readonly publishing: BrokerConnection
  readonly subscriber: RabbitMqSubscriber
  readonly consuming: BrokerConnection
  readonly eventLoop: EventLoopWatch
}

function createParts(settings: Settings, given: TransportContext): Parts {
  const context = { ...given, logger: createLog(given.logger, given.clock) }
  if (settings.tls.rejectUnauthorized === false) {
    context.logger.warn(
      { event: 'rabbitmq.tlsUnverified' },
      'tls.rejectUnauthorized is false: any server is taken for the broker, and gets the password. Give tls.ca instead',
    )
  }
  const exchanges = createDeclaredExchanges(settings.topology)
  const counts = createCounts()
  const publishingParts = { settings, context, counts, purpose: 'publishing' }
  const queue = new PublishQueue({ ...publishingParts, exchanges, recycleAfterCount })
  const publishing = new BrokerConnection(publishingParts, queue)
  const senderParts = {
    queue,
    now: () => context.clock.monotonic(),
    frameMaxBytes: () => publishing.frameMaxBytes,
  }
  const keep = createUnroutedKeeper({ senderParts, publishing, settings, context, counts })
  const consuming = new BrokerConnection({ settings, context, counts, purpose: 'consuming' })
  const subscriber = createRabbitMqSubscriber({ settings, context, counts }, consuming)
  return {
    settings,
    context,
    counts,
    exchanges,
    queue,
    sender: createRabbitMqSender({ ...senderParts, map: settings.topology, ...(keep === undefined ? {} : { keep }) }),
    publishing,
    subscriber,
    consuming,
    eventLoop: watchHeartbeat(settings, context, counts),
  }
}

/** A copy that found no queue: the group declares it again, for the next try of the core. */
async function sendCopy(
  { sender, subscriber }: Parts,
  ...copy: Parameters<Sender['send']>
): ReturnType<Sender['send']> {
  const receipt = await sender.send(...copy)
  const [target] = copy
  if (receipt.routed === false && ('retry' in target || 'dead' in target)) {
    const { destination, group } = 'retry' in target ? target.retry : target.dead
    void subscriber.repair(destination, group)
  }
  return receipt
}

function closeParts(parts: Parts, deadline: number): Promise<unknown> {
  const { subscriber, consuming, queue, publishing, eventLoop } = parts
  eventLoop.stop()
  return Promise.all([
    subscriber.close(deadline).then(() => consuming.close(deadline)),
    queue.close(deadline).then(() => publishing.close(deadline)),
  ])
}

async function connectAndDeclare(parts: Parts, publishes: readonly string[], options: SendOptions): Promise<void> {
  const { settings, context, publishing } = parts
  const { clock } = context
  for (let failures = 1; ; failures += 1) {
    const live = await publishing.open(options)
    const declared = declareAll(parts, publishes, live)
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
  { settings, exchanges }: Parts,
  publishes: readonly string[],
  live: LiveConnection,
): Promise<void> {
  const { topology } = settings
  await prepareTopology(live.model, planTopology({ publishes, subscriptions: [] }, topology), topology.mode)
  for (const destination of publishes) exchanges.note(topology.routeOf(destination).exchange.name, live)
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
  const counts = { ...(parts?.counts ?? createCounts()) }
  if (parts === undefined) {
    const state = isClosed ? 'closed' : 'idle'
    return { ...transportHealth({ system: 'rabbitmq', state }), state, addresses, reconnects: 0, counts }
  }
  const facts = {
    addresses,
    reconnects: reconnectsOf(parts),
    eventLoopDelayMs: parts.eventLoop.longestMs,
    // An alarm blocks both, and is one.
    blockedMs: Math.max(parts.publishing.blockedMs, parts.consuming.blockedMs),
    counts,
  }
  if (isClosed) return { ...transportHealth({ system: 'rabbitmq', state: 'closed' }), state: 'closed', ...facts }
  const consuming = parts.consuming.health()
  const connections = [parts.publishing.health(), ...(consuming.state === 'idle' ? [] : [consuming])]
  const worst = connections.toSorted((left, right) => rank[left.state] - rank[right.state])[0] as ConnectionHealth
  // A group that does not consume is not ready, though its connection may be.
  const notConsuming = worst.state === 'ready' ? parts.subscriber.problem() : undefined
  const state = notConsuming === undefined ? worst.state : 'connecting'
  const noDeliveries = parts.subscriber.starvation()
  const health = transportHealth({ system: 'rabbitmq', state, why: worst.reason, notConsuming, noDeliveries })
  return { ...health, state, ...facts }
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
