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
  const wanted = process.env['LOG_LEVEL'] ?? ''
  // pino refuses a level that it does not know, and a typo in the environment should not keep a service from starting.
  const level = wanted === 'silent' || Object.hasOwn(pino.levels.values, wanted) ? wanted : 'info'
  return pino({ name: 'posthorn', level }, pino.destination({ fd: 2, sync: false }))
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

/**
 * The same logger, which never throws: pino does on an error whose getters throw, and a record that cannot be written
 * must not decide what happens to a message.
 */
export function guardLogger(logger: Logger): Logger {
  const guard =
    (level: 'debug' | 'info' | 'warn' | 'error'): LogMethod =>
    (facts, message) => {
      try {
        logger[level](facts, message)
      } catch {
        // There is nobody left to tell.
      }
    }
  return {
    debug: guard('debug'),
    info: guard('info'),
    warn: guard('warn'),
    error: guard('error'),
    child(facts) {
      try {
        return guardLogger(logger.child(facts))
      } catch {
        return silentLogger
      }
    },
  }
}
