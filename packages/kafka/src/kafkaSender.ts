import { createDeadlines } from '@posthorn/core/adapter'
import type { PublishError, Receipt, SendOptions, Sender, Target, WireMessage } from '@posthorn/core/adapter'
import { byDeadline, pauseFor } from './byDeadline.js'
import type { OutgoingRecord } from './driver/driver.js'
import { closedError, givenUpError, publishError, tooLongError, tooMuchError } from './errorMapping.js'
import { createRecordMaker } from './messageMapping.js'
import { Outgoing } from './outgoing.js'
import { batchBytesOf, batchOverhead, maxRecordBytes } from './messageSize.js'
import { TopicRoute } from './topicRoute.js'
import type { RouteParts } from './topicRoute.js'

export interface KafkaSender extends Sender {
  /** Nothing waits to be sent, and nothing is under way. */
  readonly isIdle: boolean
  /** Waits for what is under way, until the deadline; whatever is left then is rejected. */
  close(deadline: number): Promise<void>
}

/** Beside the longest body, for its key, its headers and what the protocol adds. */
const roomForHeadersBytes = 48_576
/** Of that, what a publisher leaves for the headers of retries and dead letters: their topics may take no larger messages. */
const roomForCopiesBytes = 12_288
/** How often `close` looks whether everything is confirmed. */
const closePollMs = 10

/** Sends through one lane for each partition. A promise is settled by its deadline, whatever the cluster does. */
export function createKafkaSender(parts: RouteParts): KafkaSender {
  const { settings, clock } = parts
  const topicBytes = Math.max(settings.maxBatchBytes, settings.maxBodyBytes + roomForHeadersBytes)
  const maxPublishedBytes = topicBytes - roomForCopiesBytes
  const deadlines = createDeadlines(clock)
  const records = createRecordMaker()
  const routes = new Map<string, TopicRoute>()
  let closed = false

  function addRoute(topic: string, target: Target): TopicRoute {
    const route = new TopicRoute(settings.topology.planned(target), parts)
    routes.set(topic, route)
    return route
  }

  function problemOf(target: Target, message: WireMessage, options: SendOptions): PublishError | undefined {
    const topic = settings.topology.topicOf(target)
    const length = message.body?.byteLength ?? 0
    if (isBounded(target) && length > settings.maxBodyBytes) return tooLongError(topic, length, settings.maxBodyBytes)
    if (closed) return closedError(topic, 'notSent')
    if (options.signal?.aborted === true) return givenUpError(topic, 'aborted', { outcome: 'notSent' })
    if (options.deadline > clock.monotonic()) return undefined
    return givenUpError(topic, 'deadline', { outcome: 'notSent' })
  }

  /** -1 is none. Retries need one: it says when they are due. */
  function timestampFor(target: Target): number {
    const isRetry = 'retry' in target || 'group' in target
    return settings.timestamps === 'broker' && !isRetry ? -1 : clock.now()
  }

  function recordOf(target: Target, message: WireMessage): OutgoingRecord {
    const topic = settings.topology.topicOf(target)
    let record: OutgoingRecord
    try {
      record = records.toRecord(message, timestampFor(target))
    } catch (error) {
      throw publishError(topic, error, 'notSent')
    }
    // Counted to the byte only where it may matter.
    if (isBounded(target) && batchOverhead + maxRecordBytes(record) > maxPublishedBytes) refuseTooLarge(topic, record)
    return record
  }

  function refuseTooLarge(topic: string, record: OutgoingRecord): void {
    const bytes = batchBytesOf(record)
    if (bytes > maxPublishedBytes) throw tooMuchError(topic, bytes, maxPublishedBytes)
  }

  const isIdle = (): boolean => [...routes.values()].every((route) => route.isIdle)

  async function idle(deadline: number): Promise<void> {
    while (clock.monotonic() < deadline && !isIdle()) await pauseFor(closePollMs, { clock, deadline })
  }

  return {
    get isIdle() {
      return isIdle()
    },
    send(target, message, options) {
      const topic = settings.topology.topicOf(target)
      const problem = problemOf(target, message, options)
      if (problem !== undefined) return Promise.reject(problem)
      return new Promise<Receipt>((resolve, reject) => {
        const outgoing = new Outgoing(topic, recordOf(target, message), { resolve, reject })
        outgoing.watch(options, deadlines)
        const route = routes.get(topic) ?? addRoute(topic, target)
        route.push(outgoing)
      })
    },
    async close(deadline) {
      closed = true
      await byDeadline(idle(deadline), { clock, deadline })
      for (const route of routes.values()) route.close()
    },
  }
}

/** A copy of what has arrived must go, whoever has published it and however long: the broker knows what it takes. */
function isBounded(target: Target): boolean {
  return 'destination' in target
}
