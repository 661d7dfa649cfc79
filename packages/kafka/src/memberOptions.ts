import type { ConsumerOptions } from './driver/driver.js'
import type { Settings } from './options.js'

/**
 * Every member notices a rebalance at its next heartbeat and hands nothing more over, so nobody needs long to come back.
 * After a broker has restarted, the group waits so long for our former self, which kafkajs cannot be any more.
 */
const minRebalanceMs = 6_000

/** How long a rebalance waits for members, and a member at most for the others. */
export function rebalanceTimeoutOf(settings: RebalanceSettings): number {
  const { sessionTimeoutMs, heartbeatIntervalMs, rebalanceDrainMs } = settings
  const soon = Math.min(sessionTimeoutMs, Math.max(minRebalanceMs, heartbeatIntervalMs * 2))
  // Who notices the rebalance last has the same time to work off what it has.
  const drained = rebalanceDrainMs === 0 ? 0 : rebalanceDrainMs + heartbeatIntervalMs * 2
  return Math.max(soon, drained)
}

/** What a driver is asked for: one member of one group, for one topic. */
export function memberOptions({ topic, groupId, partitions, settings }: MemberParts): ConsumerOptions {
  const { sessionTimeoutMs, heartbeatIntervalMs, maxPartitionFetchBytes, metadataMaxAgeMs } = settings
  const { groupInstanceId } = settings
  return {
    topic,
    groupId,
    partitions,
    sessionTimeoutMs,
    heartbeatIntervalMs,
    rebalanceTimeoutMs: rebalanceTimeoutOf(settings),
    maxPartitionFetchBytes,
    metadataMaxAgeMs,
    ...(groupInstanceId === undefined ? {} : { groupInstanceId }),
  }
}

type RebalanceSettings = Pick<Settings, 'sessionTimeoutMs' | 'heartbeatIntervalMs' | 'rebalanceDrainMs'>

export interface MemberParts {
  readonly topic: string
  readonly groupId: string
  readonly partitions: number
  readonly settings: Settings
}
