import { pino } from 'pino'

/** Writes one record: facts first, then a sentence. The shape of pino's methods. */
export type LogMethod = (facts: Readonly<Record<string, unknown>>, message: string) => void

/** What Posthorn needs of a logger; a pino instance fits as it is. Message data is never handed to it. */
export interface Logger {
  debug: LogMethod
  info: LogMethod
  warn: LogMethod
  error: LogMethod
  child(facts: Readonly<Record<string, unknown>>): Logger
}

/** The default: pino on standard error (data for people stays off standard output), level `info` or `LOG_LEVEL`. */
export function createDefaultLogger(): Logger {
  return pino({ name: 'posthorn', level: process.env['LOG_LEVEL'] ?? 'info' }, pino.destination({ fd: 2, sync: false }))
}

const nothing: LogMethod = () => {}

/** Writes nothing. */
export const silentLogger: Logger = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  child: () => silentLogger,
}
