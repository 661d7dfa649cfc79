import type { Clock, Logger, TimerHandle } from '@posthorn/core/adapter'
import { textOf } from './errorMapping.js'
import { settledBy } from './waiting.js'

/** How far a consumer is. */
export interface ConsumerProgress {
  /** Zero before the first delivery, and another value with each. */
  readonly position: number
  /** It may hold more than it holds. */
  readonly hasRoom: boolean
}

/** What the broker says of a queue. */
export interface QueueFacts {
  /** Messages that wait for a consumer. */
  readonly messageCount: number
  readonly consumerCount: number
}

/** What a watchdog looks at, and whom it tells. */
export interface WatchdogParts {
  readonly intervalMs: number
  /** Another process may be the only one that gets something. */
  readonly ordered: boolean
  readonly clock: Clock
  readonly logger: Logger
  /** Undefined while there is no consumer. */
  progress(): ConsumerProgress | undefined
  ask(): Promise<QueueFacts>
  onStuck(reason: string): void
}

/** Looks until it is stopped. */
export interface Watchdog {
  /** It found the consumer stuck again and again, and nothing was delivered in between. */
  readonly isHelpless: boolean
  stop(): void
}

/** So many new subscriptions in a row may come to nothing before it is said that they do not help. */
const maxVainRepairs = 3

/**
 * Finds a consumer that gets nothing although its queue has messages for it: one that the broker lost without a word, or
 * whose channel hangs. It asks the broker only when nothing came for a whole interval while there was room, and takes a
 * consumer for stuck after the second answer in a row.
 */
export function createWatchdog(parts: WatchdogParts): Watchdog {
  const { intervalMs, clock, logger } = parts
  let timer: TimerHandle | undefined
  let before: number | undefined
  let suspicions = 0
  let vainRepairs = 0
  let isStopped = false

  function arm(): void {
    if (!isStopped) timer = clock.schedule(intervalMs, () => void look().then(arm), { background: true })
  }

  function starvedSince(position: number | undefined): boolean {
    const now = parts.progress()
    return now !== undefined && now.hasRoom && now.position === position
  }

  async function look(): Promise<void> {
    const position = before
    const now = parts.progress()
    before = now?.position
    if (!starvedSince(position)) {
      suspicions = 0
      // The first look after a repair has nothing to compare with.
      if (now === undefined || position !== undefined || now.position > 0) vainRepairs = 0
      return
    }
    const facts = await askedInTime()
    if (isStopped || facts === undefined || !starvedSince(position) || !concernsUs(facts)) {
      suspicions = 0
      vainRepairs = 0
      return
    }
    suspicions += 1
    if (suspicions < 2) return
    suspicions = 0
    before = undefined
    vainRepairs += 1
    parts.onStuck(
      `${facts.messageCount} messages wait, ${facts.consumerCount} consumers are known to the broker, and none came`,
    )
  }

  /** Undefined when the broker does not say: heartbeats are there for one that is gone. */
  async function askedInTime(): Promise<QueueFacts | undefined> {
    let facts: QueueFacts | undefined
    const answer = parts.ask().then(
      (found) => void (facts = found),
      (error: unknown) =>
        logger.debug({ event: 'rabbitmq.watchdog', err: error }, `The queue could not be looked at: ${textOf(error)}`),
    )
    await settledBy(answer, clock.monotonic() + intervalMs, clock)
    return facts
  }

  /**
   * With a single active consumer everybody but one gets nothing, and that is right; RabbitMQ counts the active one only.
   * Who ever got something is the active one.
   */
  function concernsUs({ messageCount, consumerCount }: QueueFacts): boolean {
    if (messageCount === 0) return false
    return !parts.ordered || consumerCount === 0 || (parts.progress()?.position ?? 0) > 0
  }

  arm()
  return {
    // The one that is under way may still help.
    get isHelpless() {
      return vainRepairs > maxVainRepairs
    },
    stop() {
      isStopped = true
      timer?.cancel()
    },
  }
}
