import { codeOf } from '@posthorn/core/adapter'
import type { SendOptions, TransportContext } from '@posthorn/core/adapter'
import type { BrokerConnection } from './connection.js'
import type { Counts } from './counts.js'
import { abortedError, textOf, unreachableError } from './errorMapping.js'
import type { Settings } from './options.js'
import { prepareTopology } from './prepareTopology.js'
import { write } from './rabbitMqSender.js'
import type { UnroutedEvent, WriterParts } from './rabbitMqSender.js'
import { planUnrouted } from './topology.js'
import { unroutedQueue } from './topologyMap.js'
import { within } from './waiting.js'

/** What a keeper works with. */
export interface KeeperParts {
  readonly senderParts: WriterParts
  readonly publishing: BrokerConnection
  readonly settings: Settings
  readonly context: TransportContext
  readonly counts: Counts
}

/**
 * Keeps events that the broker returned in a bounded queue of their destination, confirmed; undefined when they are only
 * reported. What cannot be kept, since the queue is full or does not answer by the deadline, is counted and logged: the
 * publish itself was confirmed, and stays so.
 */
export function createUnroutedKeeper(parts: KeeperParts): ((event: UnroutedEvent) => Promise<void>) | undefined {
  const { settings, context, counts, senderParts } = parts
  const { unrouted, mode } = settings.topology
  if (unrouted === undefined) return undefined
  const declaring = new Map<string, Promise<void>>()

  async function store({ destination, message, options }: UnroutedEvent): Promise<void> {
    const target = { destination }
    const address = { exchange: '', routingKey: unroutedQueue(destination), target }
    const first = await write(senderParts, { address, message, options })
    if (first.routed === true) return
    if (mode === 'apply') {
      await declare(destination, options)
      const second = await write(senderParts, { address, message, options })
      if (second.routed === true) return
    }
    throw new Error(`the queue ${address.routingKey} does not exist`)
  }

  /** When it is missing, on the first event or after it was deleted; once for all that wait for it. */
  function declare(destination: string, options: SendOptions): Promise<void> {
    const work = declaring.get(destination) ?? declareNow(destination, options)
    declaring.set(destination, work)
    return within(work, options, context.clock, {
      late: () => unreachableError(settings, 'the broker did not answer a declaration'),
      aborted: (signal) => abortedError(settings, signal),
    })
  }

  async function declareNow(destination: string, options: SendOptions): Promise<void> {
    try {
      const live = await parts.publishing.open({ deadline: options.deadline })
      await prepareTopology(live.model, [planUnrouted(destination, unrouted!)], 'apply')
    } catch (error) {
      // It is there with other bounds, which hold then: those of its first declaration.
      if (codeOf(error) !== 'POSTHORN_TOPOLOGY_MISMATCH') throw error
    } finally {
      declaring.delete(destination)
    }
  }

  return async (event) => {
    try {
      await store(event)
      counts.kept += 1
    } catch (error) {
      counts.notKept += 1
      // At powers of two: the first matters, the millionth does not.
      if ((counts.notKept & (counts.notKept - 1)) !== 0) return
      const facts = { event: 'rabbitmq.notKept', destination: event.destination, notKept: counts.notKept, err: error }
      context.logger.warn(facts, `An event that nobody receives could not be kept: ${textOf(error)}`)
    }
  }
}
