import { createDeadlines } from '@posthorn/core/adapter'
import type { Clock, Receipt, Sender } from '@posthorn/core/adapter'
import { byDeadline, pauseFor } from './byDeadline.js'
import { closedError, givenUpError, tooLongError } from './errorMapping.js'
import { toRecord } from './messageMapping.js'
import { createOutgoing } from './outgoing.js'
import { plannedFor } from './topology.js'
import { TopicRoute } from './topicRoute.js'
import type { RouteParts } from './topicRoute.js'
import { topicOf } from './topicNames.js'

export interface KafkaSender extends Sender {
  /** Waits for what is under way, until the deadline; whatever is left then is rejected. */
  close(deadline: number): Promise<void>
}

/** Kafka cannot tell who listens. */
const receipt: Receipt = { routed: undefined }
/** How often `close` looks whether everything is confirmed. */
const closePollMs = 10

/** Sends through one lane for each partition. A promise is settled by its deadline, whatever the cluster does. */
export function createKafkaSender(parts: RouteParts): KafkaSender {
  const { settings, clock } = parts
  const deadlines = createDeadlines(clock)
  const routes = new Map<string, TopicRoute>()
  let closed = false

  function routeTo(topic: string, make: () => TopicRoute): TopicRoute {
    const existing = routes.get(topic)
    if (existing !== undefined) return existing
    const route = make()
    routes.set(topic, route)
    return route
  }

  return {
    send(target, message, options) {
      const topic = topicOf(target)
      const length = message.body?.byteLength ?? 0
      if (length > settings.maxBodyBytes) return Promise.reject(tooLongError(topic, length, settings.maxBodyBytes))
      if (closed) return Promise.reject(closedError(topic, 'notSent'))
      if (options.signal?.aborted === true) return Promise.reject(givenUpError(topic, 'aborted', 'notSent'))
      if (options.deadline <= clock.monotonic()) return Promise.reject(givenUpError(topic, 'deadline', 'notSent'))
      return new Promise<Receipt>((resolve, reject) => {
        const outgoing = createOutgoing({
          record: toRecord(message, clock.now()),
          options,
          deadlines,
          resolve: () => resolve(receipt),
          reject,
          givingUp: (why, outcome) => givenUpError(topic, why, outcome),
        })
        routeTo(topic, () => new TopicRoute(plannedFor(target), parts)).push(outgoing)
      })
    },
    async close(deadline) {
      closed = true
      await byDeadline(allIdle(routes, clock, deadline), { clock, deadline })
      for (const route of routes.values()) route.close()
    },
  }
}

async function allIdle(routes: ReadonlyMap<string, TopicRoute>, clock: Clock, deadline: number): Promise<void> {
  while (clock.monotonic() < deadline && ![...routes.values()].every(({ isIdle }) => isIdle)) {
    await pauseFor(closePollMs, { clock, deadline })
  }
}
