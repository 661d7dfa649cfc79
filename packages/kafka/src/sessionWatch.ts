import { watchEventLoop } from '@posthorn/core/adapter'
import type { EventLoopWatch, TransportContext } from '@posthorn/core/adapter'
import type { Counts } from './counts.js'
import type { Settings } from './options.js'

/** A program that blocks again and again is told of it so often. */
const warnPauseMs = 60_000

/**
 * Warns when the event loop was blocked for a quarter of the session timeout: heartbeats stand still meanwhile, and after
 * the whole of it the group gives our partitions away. Each block is counted, one a minute is logged.
 */
export function watchSession(
  { sessionTimeoutMs }: Settings,
  { clock, logger }: TransportContext,
  counts: Counts,
): EventLoopWatch {
  let quietUntil = -Infinity
  return watchEventLoop({
    clock,
    warnMs: sessionTimeoutMs / 4,
    onBlocked(blockedMs) {
      counts.loopBlocks += 1
      if (clock.monotonic() < quietUntil) return
      quietUntil = clock.monotonic() + warnPauseMs
      logger.warn(
        { event: 'kafka.loopBlocked', blockedMs, sessionTimeoutMs },
        `The event loop was blocked for ${blockedMs} ms. A group gives away the partitions of a consumer without a ` +
          `heartbeat for ${sessionTimeoutMs} ms: move heavy work to worker threads, or raise sessionTimeoutMs`,
      )
    },
  })
}
