import { fullJitter } from '@posthorn/core/adapter'
import type { Clock, Logger, TimerHandle } from '@posthorn/core/adapter'
import { backoffFor } from './backoffFor.js'
import { byDeadline, pauseFor } from './byDeadline.js'
import type { Counts } from './counts.js'
import type { ConsumerEvents, DriverConsumer } from './driver/driver.js'
import { DriverError, isPassing } from './driver/driverError.js'
import { textOf } from './errorMapping.js'
import { rebalanceTimeoutOf } from './memberOptions.js'
import type { Settings } from './options.js'

/** Keeps one consumer running: makes a new one when it died or does nothing any more. */
export interface ConsumerSupervisor {
  /** The consumer of the moment. */
  readonly current: DriverConsumer | undefined
  /** Resolves with the first assignment; rejects when trying again cannot help. */
  start(): Promise<void>
  /** Replaces the consumer. */
  rebuild(why: string): void
  /** Leaves the group by the deadline. Idempotent; a second call may have less time. */
  stop(deadline: number): Promise<void>
}

export interface SupervisorParts {
  readonly groupId: string
  readonly make: (events: ConsumerEvents) => DriverConsumer
  readonly events: Omit<ConsumerEvents, 'alive' | 'failed'> & {
    /** The consumer died for want of its topic. */
    topicGone(): void
  }
  /** The topic is gone: makes it anew where that is allowed, before the next consumer looks for it. */
  readonly onMissingTopic: () => Promise<void>
  /** Why there is no consumer; undefined once there is one again. */
  readonly onTrouble: (why: string | undefined) => void
  readonly counts: Counts
  readonly settings: Settings
  readonly clock: Clock
  readonly logger: Logger
}

/** What is left of a consumer that is replaced gets so long to leave its group. */
const leaveMs = 5_000
/** One that joins and dies at once is still failing. */
const settledMs = 10_000
/** Beyond the longest legitimate silence: see `longestSilenceMs`. */
const silenceMarginMs = 10_000

/** A rejoin that waits for a dead member, or for one that works off what it has, plus one request. */
function longestSilenceMs(settings: Settings): number {
  return Math.max(settings.sessionTimeoutMs, rebalanceTimeoutOf(settings)) + settings.requestTimeoutMs
}

export function superviseConsumer(parts: SupervisorParts): ConsumerSupervisor {
  const { settings, clock, logger, events, groupId } = parts
  const ending = new AbortController()
  const silenceMs = longestSilenceMs(settings) + silenceMarginMs
  let current: DriverConsumer | undefined
  let endCurrent: (why: unknown) => void = () => {}
  /** How often there was an assignment; zero for a consumer that has not joined yet. */
  let assignments = 0
  let hasEverJoined = false
  let isTroubled = false
  let aliveAt = 0
  let timer: TimerHandle | undefined
  let joined: { resolve(): void; reject(error: unknown): void } | undefined

  /** Runs one consumer to its end, and gives the reason. */
  async function live(): Promise<unknown> {
    let isOver = false
    let end!: (why: unknown) => void
    const died = new Promise<unknown>((resolve) => {
      end = (why) => {
        isOver = true
        resolve(why)
      }
    })
    endCurrent = end
    aliveAt = clock.monotonic()
    const consumer = parts.make(eventsOf(() => isOver, end))
    current = consumer
    consumer.start().catch(end)
    const why = await died
    assignments = 0
    if (isTopicGone(why)) events.topicGone()
    else events.rebalancing()
    await consumer.stop(clock.monotonic() + leaveMs)
    return why
  }

  function eventsOf(isOver: () => boolean, end: (why: unknown) => void): ConsumerEvents {
    function alive(): void {
      aliveAt = clock.monotonic()
      // Joining alone proves little: some die of the first thing that they fetch.
      if (isTroubled && assignments > 0 && !isOver()) tellTrouble(undefined)
    }
    return {
      assigned(partitions) {
        if (isOver()) return
        alive()
        assignments += 1
        hasEverJoined = true
        events.assigned(partitions)
        joined?.resolve()
      },
      rebalancing: () => void (isOver() || events.rebalancing()),
      fetched(batch) {
        alive()
        return isOver() ? undefined : events.fetched(batch)
      },
      async drained() {
        if (isOver()) return
        await events.drained()
        // Only now it begins to wait for the others.
        aliveAt = clock.monotonic()
      },
      reset: (partition) => void (isOver() || events.reset(partition)),
      alive,
      failed: end,
    }
  }

  async function keepAlive(): Promise<void> {
    for (let failures = 1; !ending.signal.aborted; failures += 1) {
      const bornAt = clock.monotonic()
      const why = await live()
      if (ending.signal.aborted) return
      if (clock.monotonic() - bornAt > settledMs) failures = 1
      await recover(why, failures)
    }
  }

  async function recover(why: unknown, failures: number): Promise<void> {
    if (!isPassing(why)) joined?.reject(why)
    // Before that, whoever waits for the first assignment gets the error.
    if (hasEverJoined) tellTrouble(textOf(why))
    parts.counts.replaced += 1
    logger.debug({ event: 'kafka.consumer.replaced', groupId, failures, err: why }, 'A consumer is replaced')
    if (isTopicGone(why)) await parts.onMissingTopic().catch(() => {})
    const waitMs = fullJitter(failures, backoffFor(why, settings.reconnect))
    await pauseFor(waitMs, { clock, deadline: Infinity, signal: ending.signal })
  }

  function tellTrouble(why: string | undefined): void {
    isTroubled = why !== undefined
    parts.onTrouble(why)
  }

  /** kafkajs' own loop heartbeats too, as long as it turns. */
  function tick(): void {
    timer = clock.schedule(settings.heartbeatIntervalMs, tick, { background: true })
    if (clock.monotonic() - aliveAt > silenceMs) return rebuild(`no sign of life for ${silenceMs} ms`)
    const before = assignments
    if (before === 0) return
    current?.heartbeat().catch((error: unknown) => {
      // An answer to the generation before says nothing about this one.
      const isNews = assignments === before && error instanceof DriverError && error.kind === 'membership'
      if (isNews) events.rebalancing()
    })
  }

  function rebuild(why: string): void {
    endCurrent(new DriverError({ kind: 'unavailable', message: why }))
  }

  return {
    get current() {
      return current
    },
    async start() {
      const first = new Promise<void>((resolve, reject) => (joined = { resolve, reject }))
      tick()
      void keepAlive()
      await first
    },
    rebuild,
    async stop(deadline) {
      timer?.cancel()
      ending.abort()
      if (isTroubled) tellTrouble(undefined)
      const stopping = current?.stop(deadline)
      endCurrent(new DriverError({ kind: 'closed', message: 'stopped' }))
      if (stopping !== undefined) await byDeadline(stopping, { clock, deadline })
    },
  }
}

function isTopicGone(why: unknown): boolean {
  return why instanceof DriverError && why.kind === 'unknownTopic'
}
