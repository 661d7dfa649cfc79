import type { Clock, Logger, TimerHandle } from '@posthorn/core/adapter'
import type { KafkaDriver } from './driver/driver.js'
import { textOf } from './errorMapping.js'
import type { TopicConsumer } from './topicConsumer.js'

export interface WatchParts {
  readonly consumer: TopicConsumer
  readonly driver: Pick<KafkaDriver, 'logOffsets'>
  readonly intervalMs: number
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Replaces a consumer that has a backlog, room for it, and fetches nothing. Twice at the same
 * place it is not replaced: then the rest of the partition is not for us, such as an open transaction.
 */
export function watchProgress({ consumer, driver, intervalMs, clock, logger }: WatchParts): { stop(): void } {
  let timer: TimerHandle | undefined
  let before: ReadonlyMap<number, number> = new Map()
  const replacedAt = new Map<number, number>()
  let stopped = false

  function arm(): void {
    if (!stopped) timer = clock.schedule(intervalMs, () => void look().then(arm), { background: true })
  }

  async function look(): Promise<void> {
    const standing = [...consumer.starving()].filter(([partition, position]) => before.get(partition) === position)
    before = consumer.starving()
    if (standing.length === 0) return
    try {
      const log = await driver.logOffsets(consumer.topic)
      const now = consumer.starving()
      for (const [partition, position] of standing) {
        const isStuck = now.get(partition) === position && (log.get(partition)?.high ?? 0) > position
        if (isStuck && replacedAt.get(partition) !== position) return replace(partition, position)
      }
    } catch (error) {
      logger.debug({ event: 'kafka.watchdog', topic: consumer.topic }, `No offsets to compare: ${textOf(error)}`)
    }
  }

  function replace(partition: number, position: number): void {
    replacedAt.set(partition, position)
    consumer.rebuild(`partition ${partition} has messages from offset ${position} and fetches none`)
  }

  arm()
  return {
    stop() {
      stopped = true
      timer?.cancel()
    },
  }
}
