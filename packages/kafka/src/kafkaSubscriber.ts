import { PosthornError } from '@posthorn/core/adapter'
import type { Subscriber, Subscription, TopicHealth } from '@posthorn/core/adapter'
import { byDeadline } from './byDeadline.js'
import { connectError, endedError } from './errorMapping.js'
import { GroupSubscription } from './groupSubscription.js'
import type { SubscriberParts } from './groupSubscription.js'

export interface KafkaSubscriber extends Subscriber {
  /** How far each group is in each of its topics. */
  topics(): TopicHealth[]
  /** Commits what is settled and leaves all groups by the deadline. */
  close(deadline: number): Promise<void>
}

/** Once a subscription has failed, what of it has started gets so long to leave its groups. */
const giveUpMs = 5_000

export function createKafkaSubscriber(parts: Omit<SubscriberParts, 'onLeft'>): KafkaSubscriber {
  const { topology, settings, clock } = parts
  const running = new Set<GroupSubscription>()
  const closing = new AbortController()

  function notStarted({ destination, group }: Subscription, signal: AbortSignal | undefined): Error {
    if (closing.signal.aborted) return endedError(settings.brokers, 'the transport was closed')
    if (signal?.aborted === true) return endedError(settings.brokers, "the caller's signal fired")
    return connectError(settings, new Error(`group ${destination}.${group} got no partitions`))
  }

  return {
    async subscribe(subscription, onDeliveries, options) {
      const signal = options.signal === undefined ? closing.signal : AbortSignal.any([options.signal, closing.signal])
      const counts = await topology.ensureSubscription(subscription, { deadline: options.deadline, signal })
      const group = new GroupSubscription(subscription, onDeliveries, {
        ...parts,
        onLeft: (left) => void running.delete(left),
      })
      running.add(group)
      const started = group.start(counts).then(
        () => 'started' as const,
        (error: unknown) => ({ error }),
      )
      const outcome = await byDeadline(started, { clock, deadline: options.deadline, signal })
      if (outcome === 'started') return { stop: (deadline) => group.stop(deadline) }
      void group.leave(clock.monotonic() + giveUpMs)
      if (outcome === undefined) throw notStarted(subscription, options.signal)
      throw outcome.error instanceof PosthornError ? outcome.error : connectError(settings, outcome.error)
    },
    topics: () => [...running].flatMap((group) => group.topics()),
    async close(deadline) {
      closing.abort()
      await Promise.all([...running].map((group) => group.leave(deadline)))
    },
  }
}
