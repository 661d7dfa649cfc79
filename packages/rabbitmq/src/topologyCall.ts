import type { Logger } from '@posthorn/core/adapter'
import type { LiveConnection } from './connection.js'
import type { Settings } from './options.js'

/** How long a call may take. */
export interface TopologyCallOptions {
  /** In milliseconds. Longer waits longer for an absent broker, and for queues to run empty. @default 30_000 */
  readonly deadlineMs?: number
  /** Gives up waiting. */
  readonly signal?: AbortSignal
  /** @default silent */
  readonly logger?: Logger
}

/** What a call works with. */
export interface TopologyCall {
  readonly live: LiveConnection
  readonly settings: Settings
  /** On `systemClock.monotonic()`. */
  readonly deadline: number
  readonly signal: AbortSignal | undefined
}
