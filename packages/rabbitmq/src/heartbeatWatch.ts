import { watchEventLoop } from '@posthorn/core/adapter'
import type { EventLoopWatch, TransportContext } from '@posthorn/core/adapter'
import type { Counts } from './counts.js'
import type { Settings } from './options.js'

/** A program that blocks again and again is told of it so often. */
const warnPauseMs = 60_000

/**
 * Warns when the event loop was blocked for half a heartbeat: heartbeats stand still meanwhile, and after two of them
 * the broker closes the connection and delivers again what is unsettled. Each block is counted, one a minute is logged.
 */
export function watchHeartbeat(
  settings: Settings,
  { clock, logger }: TransportContext,
  counts: Counts,
): EventLoopWatch {
  const heartbeatMs = settings.heartbeatSeconds * 1_000
  let quietUntil = -Infinity
  return watchEventLoop({
    clock,
    warnMs: heartbeatMs / 2,
    onBlocked(blockedMs) {
      counts.loopBlocks += 1
      if (clock.monotonic() < quietUntil) return
      quietUntil = clock.monotonic() + warnPauseMs
      const facts = { event: 'rabbitmq.loopBlocked', blockedMs, heartbeatMs }
      logger.warn(
        facts,
        `The event loop was blocked for ${blockedMs} ms. RabbitMQ closes connections that miss two heartbeats of ` +
          `${heartbeatMs} ms: move heavy work to worker threads, or raise heartbeatMs`,
      )
    },
  })
}
