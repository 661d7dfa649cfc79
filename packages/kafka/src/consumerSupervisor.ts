import { fullJitter } from '@posthorn/core/adapter'
import type { Clock, Logger, TimerHandle } from '@posthorn/core/adapter'
import { byDeadline, pauseFor } from './byDeadline.js'
import type { ConsumerEvents, DriverConsumer } from './driver/driver.js'
import { DriverError, isPassing } from './driver/driverError.js'
import type { Settings } from './options.js'

/** Keeps one consumer running: makes a new one when it died or does nothing any more. */
export interface ConsumerSupervisor {
  /** The consumer of the moment. */
  readonly current: DriverConsumer | undefined
  /** Resolves with the first assignment; rejects when trying again cannot help. */
  start(): Promise<void>
  /** Replaces the consumer. */
  rebuild(why: string): void
  /** Leaves the group by the deadline. Idempotent. */
  stop(deadline: number): Promise<void>
}

export interface SupervisorParts {
  readonly groupId: string
  readonly make: (events: ConsumerEvents) => DriverConsumer
  readonly events: Omit<ConsumerEvents, 'alive' | 'failed'>
  /** Counted, and said in the health. */
  readonly onRebuild: (why: string) => void
  readonly settings: Settings
  readonly clock: Clock
  readonly logger: Logger
}

/** What is left of a consumer that is replaced gets so long to leave its group. */
const leaveMs = 5_000
/** One that joins and dies at once is still failing. */
const settledMs = 10_000
/** Beyond the longest legitimate silence: a rejoin that waits for a dead member, plus one request. */
const silenceMarginMs = 10_000

export function superviseConsumer(parts: SupervisorParts): ConsumerSupervisor {
  const { settings, clock, logger, events, groupId } = parts
  const ending = new AbortController()
  const silenceMs = settings.sessionTimeoutMs + settings.requestTimeoutMs + silenceMarginMs
  let current: DriverConsumer | undefined
  let endCurrent: (why: DriverError) => void = () => {}
  let hasJoined = false
  let aliveAt = 0
  let timer: TimerHandle | undefined
  let joined: { resolve(): void; reject(error: unknown): void } | undefined

  /** Runs one consumer to its end, and gives the reason. */
  async function live(): Promise<unknown> {
    let end!: (why: DriverError) => void
    const died = new Promise<DriverError>((resolve) => (end = resolve))
    endCurrent = end
    aliveAt = clock.monotonic()
    hasJoined = false
    const consumer = parts.make(eventsUntil(died, end))
    current = consumer
    try {
      const failedFirst = await Promise.race([consumer.start(), died])
      return failedFirst ?? (await died)
    } catch (error) {
      return error
    } finally {
      events.rebalancing()
      await consumer.stop(clock.monotonic() + leaveMs)
    }
  }

  function eventsUntil(died: Promise<DriverError>, end: (why: DriverError) => void): ConsumerEvents {
    let isOver = false
    void died.then(() => (isOver = true))
    const alive = (): void => void (aliveAt = clock.monotonic())
    return {
      assigned(partitions) {
        if (isOver) return
        alive()
        hasJoined = true
        events.assigned(partitions)
        joined?.resolve()
      },
      rebalancing: () => void (isOver || events.rebalancing()),
      fetched(batch) {
        alive()
        return isOver ? undefined : events.fetched(batch)
      },
      reset: (partition) => void (isOver || events.reset(partition)),
      alive,
      failed: end,
    }
  }

  async function keepAlive(): Promise<void> {
    for (let failures = 1; !ending.signal.aborted; failures += 1) {
      const bornAt = clock.monotonic()
      const why = await live()
      if (ending.signal.aborted) return
      if (hasJoined && clock.monotonic() - bornAt > settledMs) failures = 1
      if (!isPassing(why)) joined?.reject(why)
      const text = why instanceof Error ? why.message : String(why)
      parts.onRebuild(text)
      logger.warn({ event: 'kafka.consumer.rebuild', groupId, err: why }, `A consumer is replaced: ${text}`)
      const waitMs = fullJitter(failures, settings.reconnect)
      await pauseFor(waitMs, { clock, deadline: Infinity, signal: ending.signal })
    }
  }

  /** kafkajs' own loop heartbeats too, as long as it turns. */
  function tick(): void {
    timer = clock.schedule(settings.heartbeatIntervalMs, tick, { background: true })
    if (clock.monotonic() - aliveAt > silenceMs) return rebuild(`no sign of life for ${silenceMs} ms`)
    if (!hasJoined) return
    current?.heartbeat().catch((error: unknown) => {
      if (error instanceof DriverError && error.kind === 'membership') events.rebalancing()
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
      const consumer = current
      endCurrent(new DriverError({ kind: 'closed', message: 'stopped' }))
      if (consumer !== undefined) await byDeadline(consumer.stop(deadline), { clock, deadline })
    },
  }
}
