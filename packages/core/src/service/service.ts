import type { Contract } from '@posthorn/contracts'
import type { ConsumerOptions } from '../consumer/consumerOptions.js'
import type { Consumer } from '../consumer/consumer.js'
import type { DeadLetterHandler } from '../consumer/deadLetters.js'
import { createContractRegistry } from '../envelope/contractRegistry.js'
import { silentLogger } from '../logger.js'
import { createKit, isTransport, kitProblems } from '../messagingKit.js'
import type { KitOptions } from '../messagingKit.js'
import type { Metrics } from '../metrics.js'
import { withAttributes } from '../observeNumbers.js'
import { optionProblems, refuseProblems } from '../optionProblems.js'
import type { Declaration } from '../ports.js'
import { makePublisher } from '../publisher/publisher.js'
import type { Publisher } from '../publisher/publisher.js'
import { contractsOf, kitRules, publisherRules, routingProblems } from '../publisher/publisherOptions.js'
import type { MessagingKit, PublisherSettings } from '../publisher/publisherOptions.js'
import { createLifecycle } from './lifecycle.js'
import type { StopOptions } from './lifecycle.js'
import { createParts } from './parts.js'
import type { ServicePart } from './parts.js'
import { endedBy } from '../settledBy.js'
import { serviceHealth } from './serviceHealth.js'
import type { ServiceHealth } from './serviceHealth.js'
import { observeService } from './serviceNumbers.js'
import type { ServiceNumbers } from './serviceNumbers.js'
import { startRules, startTransport } from './startTransport.js'
import type { StartOptions } from './startTransport.js'
import { createUnits } from './units.js'
import type { DeadLetterSource } from './units.js'

/** What a service is made from. */
export interface ServiceOptions extends KitOptions, PublisherSettings {}

/** Publishes and consumes over one transport; made by `createService`. */
export interface Service extends Pick<Publisher, 'publish' | 'publishMany'>, AsyncDisposable {
  /** Declares a group's handlers; before `start`. Throws a `ConfigurationError` with all problems at once. */
  consume(group: string, options: ConsumerOptions): Consumer
  /** Declares that this service takes dead letters; before `start`. */
  readDeadLetters(source: DeadLetterSource, handler: DeadLetterHandler): void
  /**
   * Makes a relay, an inbox or a part of your own start, stop and be ready with this service; before `start`. Gives the
   * part back.
   */
  attach<Part extends ServicePart>(part: Part): Part
  /**
   * What the service uses of its transport, without I/O: for tools that plan or prepare a broker before it starts. Lazy
   * handlers are called; throws a `ConfigurationError` when something cannot work.
   */
  declaration(): Declaration
  /** Resolves when the transport is connected, every group receives and every part runs; see `StartOptions` for an absent broker. */
  start(options?: StartOptions): Promise<void>
  /**
   * Stops intake, lets handlers end (they can still publish), stops the parts, flushes and closes the transport. Always
   * settles by the deadline; idempotent. A stopped service does not start again.
   */
  stop(options?: StopOptions): Promise<void>
  health(): ServiceHealth
}

/** What handlers that do not end leave of the drain for the parts to let go. */
const partShare = 0.25

/** Makes a service; throws a `ConfigurationError` that lists all problems before any I/O. */
export function createService(options: ServiceOptions): Service {
  const kit = kitOf(options)
  const publisher = makePublisher(kit, options)
  const units = createUnits(kit, publisher)
  const metrics = metricsOf(kit)
  const parts = createParts(kit, metrics)
  let endMetrics: (() => void) | undefined
  const lifecycle = createLifecycle({
    clock: kit.clock,
    async open(startOptions, cancel) {
      units.prepare()
      endMetrics = metrics && observeService(metrics, numbers)
      const publishes = destinationsOf(options.publishes)
      const steps = await startTransport({ kit, publishes, startOptions, cancel })
      await parts.start('beforeConsumers', steps)
      await units.start(steps)
      await parts.start('afterConsumers', steps)
    },
    async drain(deadline) {
      const leftMs = Math.max(0, deadline - kit.clock.monotonic())
      await units.stop(parts.count === 0 ? deadline : deadline - leftMs * partShare)
      await parts.stop(deadline)
      await publisher.idle()
    },
    async close(deadline) {
      await endedBy(kit.clock, deadline, closeTransport(kit, deadline))
      endMetrics?.()
      kit.logger.flush()
    },
  })

  const numbers: ServiceNumbers = {
    isReady: () => service.health().ready,
    transport: () => kit.transport.health(),
    publisher,
    consumers: () => units.consumers(),
  }
  const service: Service = {
    consume(group, consumerOptions) {
      lifecycle.requireIdle(`The group ${group}`)
      return units.addConsumer(group, consumerOptions)
    },
    readDeadLetters(source, handler) {
      lifecycle.requireIdle('A dead-letter reader')
      units.addDeadLetterReader(source, handler)
    },
    attach(part) {
      lifecycle.requireIdle('A part')
      parts.add(part)
      return part
    },
    publish(contract, data, publishOptions) {
      const refusal = lifecycle.publishRefusal()
      return refusal === undefined ? publisher.publish(contract, data, publishOptions) : Promise.reject(refusal)
    },
    publishMany(contract, list, publishOptions) {
      const refusal = lifecycle.publishRefusal()
      return refusal === undefined ? publisher.publishMany(contract, list, publishOptions) : Promise.reject(refusal)
    },
    declaration: () => ({ publishes: destinationsOf(options.publishes), subscriptions: units.prepare() }),
    async start(startOptions = {}) {
      refuseProblems('start()', optionProblems('', startOptions, startRules))
      await lifecycle.start(startOptions)
    },
    stop: (stopOptions = {}) => lifecycle.stop(stopOptions),
    health: () =>
      serviceHealth(lifecycle, {
        transport: kit.transport.health(),
        publisher: publisher.health(),
        consumers: units.health(),
        parts: parts.health(),
      }),
    [Symbol.asyncDispose]: () => service.stop(),
  }
  return service
}

/** Two services of one process are told apart by it. */
function metricsOf({ telemetry, source, transport }: MessagingKit): Metrics | undefined {
  const attributes = { 'posthorn.service': source, 'messaging.system': transport.system }
  return telemetry && withAttributes(telemetry.metrics, attributes)
}

async function closeTransport({ transport, logger }: MessagingKit, deadline: number): Promise<void> {
  try {
    await transport.close(deadline)
  } catch (error) {
    logger.warn({ event: 'transport.close', err: error }, 'The transport did not close cleanly')
  }
}

/** All problems at once: those of the parts that can be read are listed beside those of the parts that cannot. */
function kitOf(options: ServiceOptions): MessagingKit {
  const given: Partial<ServiceOptions> = typeof options === 'object' && options !== null ? options : {}
  const problems = [
    ...optionProblems('', options, { ...kitRules, ...publisherRules }, ['source', 'transport']),
    ...kitProblems(given),
    ...routingProblems(given, given.transport),
  ]
  const contracts = contractsOf(given.publishes)
  const registry = createContractRegistry({ logger: silentLogger, unsafeSchemas: given.unsafeSchemas ?? 'warn' })
  problems.push(...contracts.flatMap((contract) => registry.problems(contract)))
  if (isTransport(given.transport)) {
    problems.push(...given.transport.check({ publishes: destinationsOf(contracts), subscriptions: [] }))
  }
  refuseProblems('The service', problems)
  const kit = createKit(options)
  for (const contract of contracts) kit.registry.validatorOf(contract) // So that a handler of another schema is refused.
  return kit
}

function destinationsOf(contracts: readonly Contract[] | undefined): string[] {
  return [...new Set((contracts ?? []).map((contract) => contract.destination))]
}
