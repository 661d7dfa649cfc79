import { pino } from 'pino'
import type { Logger } from '@posthorn/core'

/** Writes to standard error at once, so that the last words of a process are not lost. `LOG_LEVEL` wins over the default. */
export function createShopLogger(name: string, defaultLevel: 'info' | 'error' | 'fatal'): Logger {
  const level = process.env['LOG_LEVEL'] ?? defaultLevel
  return pino({ name, level }, pino.destination({ fd: 2, sync: true }))
}
