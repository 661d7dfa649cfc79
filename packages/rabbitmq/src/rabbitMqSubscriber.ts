import type { Subscriber } from '@posthorn/core/adapter'
import type { BrokerConnection, ConnectionParts } from './connection.js'
import { ResumingSubscription } from './resumingSubscription.js'

/** The subscriptions on the consuming connection, which is opened with the first one. */
export interface RabbitMqSubscriber extends Subscriber {
  /** Why a subscription does not consume at the moment, for people. */
  problem(): string | undefined
  /** Which subscription gets nothing, though its watchdog subscribed anew and the broker has messages, for people. */
  starvation(): string | undefined
  /** Has what the group needs on the destination declared again, if it consumes here; never rejects. */
  repair(destination: string, group: string): Promise<void>
  /** Writes what is settled and closes every channel by the deadline; what is unsettled goes back to the queues. */
  close(deadline: number): Promise<void>
}

/** Subscribes with a session of its own for each group and destination, and keeps them consuming. */
export function createRabbitMqSubscriber(
  parts: Omit<ConnectionParts, 'purpose'>,
  connection: BrokerConnection,
): RabbitMqSubscriber {
  const running = new Set<ResumingSubscription>()
  return {
    async subscribe(subscription, onDeliveries, options) {
      const one: ResumingSubscription = new ResumingSubscription({
        ...parts,
        connection,
        subscription,
        onDeliveries,
        onFinished: () => void running.delete(one),
      })
      running.add(one)
      try {
        await one.start(options)
      } catch (error) {
        running.delete(one)
        throw error
      }
      return { stop: (deadline) => one.stop(deadline) }
    },
    problem() {
      for (const one of running) if (one.problem !== undefined) return one.problem
      return undefined
    },
    starvation() {
      for (const one of running) if (one.starvation !== undefined) return one.starvation
      return undefined
    },
    async repair(destination, group) {
      await Promise.all([...running].filter((one) => one.isFor(destination, group)).map((one) => one.repair()))
    },
    async close(deadline) {
      await Promise.all([...running].map((one) => one.close(deadline)))
    },
  }
}
