import type { Contract } from '@posthorn/contracts'
import type { ConsumerOptions } from '../consumer/consumerOptions.js'
import type { Consumer, ConsumerHealth } from '../consumer/consumer.js'
import type { DeadLetterHandler } from '../consumer/deadLetters.js'
import { createContractRegistry } from '../envelope/contractRegistry.js'
import { silentLogger } from '../logger.js'
import { createKit, isTransport, kitProblems } from '../messagingKit.js'
import type { KitOptions } from '../messagingKit.js'
import { optionProblems, refuseProblems } from '../optionProblems.js'
import type { TransportHealth } from '../ports.js'
import { makePublisher } from '../publisher/publisher.js'
import type { Publisher, PublisherHealth } from '../publisher/publisher.js'
import { kitRules, publisherRules, routingProblems } from '../publisher/publisherOptions.js'
import type { MessagingKit, PublisherSettings } from '../publisher/publisherOptions.js'
import { createLifecycle } from './lifecycle.js'
import type { ServiceState, StopOptions } from './lifecycle.js'
import { startRules, startTransport } from './startTransport.js'
import type { StartOptions } from './startTransport.js'
import { createUnits } from './units.js'
import type { DeadLetterSource } from './units.js'

/** What a service is made from. */
export interface ServiceOptions extends KitOptions, PublisherSettings {}

/** Whether a service works, and why not. */
export interface ServiceHealth {
  readonly state: ServiceState
  /** True while everything that was declared runs and the transport takes messages. */
  readonly ready: boolean
  readonly transport: TransportHealth
  readonly publisher: PublisherHealth
  readonly consumers: readonly ConsumerHealth[]
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

/** Makes a service; throws a `ConfigurationError` that lists all problems before any I/O. */
export function createService(options: ServiceOptions): Service {
  const kit = kitOf(options)
  const publisher = makePublisher(kit, options)
  const units = createUnits(kit, publisher)
  const lifecycle = createLifecycle({
    clock: kit.clock,
    async open(startOptions, cancel) {
      units.prepare()
      const publishes = destinationsOf(options.publishes)
      await units.start(await startTransport({ kit, publishes, startOptions, cancel }))
    },
    async drain(deadline) {
      await units.stop(deadline)
      await publisher.idle()
    },
    async close(deadline) {
      try {
        await kit.transport.close(deadline)
      } catch (error) {
        kit.logger.warn({ event: 'transport.close', err: error }, 'The transport did not close cleanly')
      }
    },
  })

  const service: Service = {
    consume(group, consumerOptions) {
      lifecycle.requireIdle(`The group ${group}`)
      return units.addConsumer(group, consumerOptions)
    },
    readDeadLetters(source, handler) {
      lifecycle.requireIdle('A dead-letter reader')
      units.addDeadLetterReader(source, handler)
    },
    publish(contract, data, publishOptions) {
      const refusal = lifecycle.publishRefusal()
      return refusal === undefined ? publisher.publish(contract, data, publishOptions) : Promise.reject(refusal)
    },
    publishMany(contract, list, publishOptions) {
      const refusal = lifecycle.publishRefusal()
      return refusal === undefined ? publisher.publishMany(contract, list, publishOptions) : Promise.reject(refusal)
    },
    async start(startOptions = {}) {
      refuseProblems('start()', optionProblems('', startOptions, startRules))
      await lifecycle.start(startOptions)
    },
    stop: (stopOptions = {}) => lifecycle.stop(stopOptions),
    health() {
      const { state } = lifecycle
      const transport = kit.transport.health()
      const consumers = units.health()
      const works = transport.state === 'ready' && consumers.every((consumer) => consumer.state === 'running')
      return { state, ready: state === 'running' && works, transport, publisher: publisher.health(), consumers }
    },
    [Symbol.asyncDispose]: () => service.stop(),
  }
  return service
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

/** Those of a list that are contracts; what else stands in it is a problem of its own. */
function contractsOf(list: unknown): Contract[] {
  return Array.isArray(list) ? list.filter((element) => kitRules['publishes']!([element], '') === undefined) : []
}

function destinationsOf(contracts: readonly Contract[] | undefined): string[] {
  return [...new Set((contracts ?? []).map((contract) => contract.destination))]
}
