import type { Logger } from '@posthorn/core/adapter'

/** How long a call may take. */
export interface TopologyCallOptions {
  /** In milliseconds. Longer waits longer for an absent cluster. @default 30_000 */
  readonly deadlineMs?: number
  /** Gives up waiting. */
  readonly signal?: AbortSignal
  /** @default silent */
  readonly logger?: Logger
}
