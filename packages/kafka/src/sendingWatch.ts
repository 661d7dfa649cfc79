import { fullJitter } from '@posthorn/core/adapter'
import type { BackoffOptions, Clock } from '@posthorn/core/adapter'
import { pauseFor } from './byDeadline.js'
import { isRefusedLogin } from './driver/driverError.js'
import type { DriverError } from './driver/driverError.js'

export interface SendingParts {
  readonly clock: Clock
  readonly backoff: BackoffOptions
  /** Ends the watch. */
  readonly signal: AbortSignal
  /** Nothing waits to be sent, and nothing is under way. */
  readonly isIdle: () => boolean
  /** Rejects while a leader of the topic does not answer. */
  readonly ask: (topic: string) => Promise<unknown>
  /** Told why sending does not work, and by undefined that it may work. */
  readonly notice: (why: string | undefined) => void
}

/**
 * Knows whether sending works, from what becomes of sends, and from questions when there is nothing to send: what failed
 * last may have been given up by its deadline, and a service that is not ready gets no requests that make it publish.
 * Gives what is to be told about every send: its error and its topic, or that it worked.
 */
export function watchSending(parts: SendingParts): (error: DriverError | undefined, topic: string) => void {
  const { clock, backoff, signal, isIdle, notice } = parts
  let probing: AbortController | undefined
  let failingTopic = ''

  async function probe(stopped: AbortSignal): Promise<void> {
    for (let failures = 1; ; failures += 1) {
      // Never at once: an answer says little about a connection that was lost this instant.
      await pauseFor(backoff.firstMs + fullJitter(failures, backoff), { clock, deadline: Infinity, signal: stopped })
      if (stopped.aborted) return
      // What waits to be sent tells by itself.
      if (isIdle() && (await answers()) && isIdle() && !stopped.aborted) return works()
    }
  }

  async function answers(): Promise<boolean> {
    try {
      await parts.ask(failingTopic)
      return true
    } catch {
      return false
    }
  }

  function works(): void {
    probing?.abort()
    probing = undefined
    notice(undefined)
  }

  return (error, topic) => {
    if (error === undefined) return works()
    // Other failures are about a topic or a message, not about the way to the cluster.
    if (error.kind !== 'connection' && error.kind !== 'credentials' && !isRefusedLogin(error)) return
    failingTopic = topic
    notice(error.message)
    if (probing !== undefined) return
    probing = new AbortController()
    void probe(AbortSignal.any([probing.signal, signal]))
  }
}
