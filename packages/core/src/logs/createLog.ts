import type { Clock } from '../clock.js'
import type { Logger } from '../logger.js'
import { logEvents } from './logEvents.js'
import type { LogEventFacts, LogLevel } from './logEvents.js'
import { defaultLogOptions } from './logOptions.js'
import type { NormalLogOptions } from './logOptions.js'
import { anyCodeOf, codesOf, loggedError, loggedValue } from './loggedError.js'
import { isSecretName, redacted, redactText } from './redactText.js'
import { createRepeats } from './repeats.js'
import type { Repeats } from './repeats.js'

type Facts = Readonly<Record<string, unknown>>

const brand: unique symbol = Symbol('posthorn.log')

/** A logger for Posthorn's own records. */
export interface Log extends Logger {
  child(facts: Facts): Log
  /** Writes how many repeats were left out until now; for when nothing more is to come. */
  flush(): void
  readonly [brand]: true
}

/** What all generations of one log share. */
interface Root {
  readonly logger: Logger
  readonly options: NormalLogOptions
  readonly repeats: Repeats
}

/** What tells one subject from another, beside its event and the codes of its error. */
const subjectFields = ['destination', 'group', 'queue', 'topic', 'groupId', 'purpose', 'part', 'reason'] as const
const maxFactDepth = 3

/**
 * Makes Posthorn's own log of a logger: without data and credentials, with repeats counted rather than written, and never
 * throwing, since a record that cannot be written must not decide what happens to a message. A log stays as it is.
 */
export function createLog(logger: Logger, clock: Clock, options: NormalLogOptions = defaultLogOptions): Log {
  if (brand in logger) return logger as Log
  return generation({ logger, options, repeats: createRepeats(clock, options) }, logger, {})
}

function generation(root: Root, logger: Logger, bindings: Facts): Log {
  const methodOf = (level: LogLevel) => (facts: Facts, message: string) => {
    try {
      if (isWritten(logger, level)) write({ root, logger, level }, { bindings, facts, message })
    } catch {
      // There is nobody left to tell.
    }
  }
  return {
    debug: methodOf('debug'),
    info: methodOf('info'),
    warn: methodOf('warn'),
    error: methodOf('error'),
    child(facts) {
      try {
        return generation(root, logger.child(loggedFacts(facts, true)), { ...bindings, ...facts })
      } catch {
        return generation(root, logger, bindings)
      }
    },
    flush: () => root.repeats.flush(),
    [brand]: true,
  }
}

/** pino and others tell what they would drop: describing an error is not free. */
function isWritten(logger: Logger, level: LogLevel): boolean {
  const { isLevelEnabled } = logger as { isLevelEnabled?: (level: string) => unknown }
  return typeof isLevelEnabled !== 'function' || isLevelEnabled.call(logger, level) !== false
}

interface LogRecord {
  readonly bindings: Facts
  readonly facts: Facts
  readonly message: string
}

function write(
  { root, logger, level }: { readonly root: Root; readonly logger: Logger; readonly level: LogLevel },
  { bindings, facts, message }: LogRecord,
): void {
  const event = facts['event']
  // Whoever asks for debug wants to see everything.
  if (typeof event === 'string' && level !== 'debug') {
    const subject = subjectOf(event, { ...bindings, ...facts })
    const tell = (suppressed: number): void => tellSuppressed(root, level, { ...subject, suppressed })
    if (!root.repeats.admit(Object.values(subject).join('\u0000'), tell)) return
  }
  const catalogued: LogEventFacts | undefined =
    typeof event === 'string' && Object.hasOwn(logEvents, event)
      ? logEvents[event as keyof typeof logEvents]
      : undefined
  const hidesMessages = catalogued?.nearData === true && !root.options.errorMessages
  logger[level](loggedFacts(facts, hidesMessages), redactText(message))
}

function subjectOf(event: string, facts: Facts): Record<string, unknown> {
  const subject: Record<string, unknown> = { of: event }
  for (const name of subjectFields) {
    const value = facts[name]
    // Words of ours; a reason may also be a sentence of somebody else's.
    if (typeof value === 'string' && /^[\w.-]{1,200}$/.test(value)) subject[name] = value
  }
  const code = facts['code'] ?? (facts['err'] === undefined ? undefined : codesOf(facts['err']))
  if (code !== undefined) subject['codes'] = code
  return subject
}

function tellSuppressed({ logger, options }: Root, level: LogLevel, subject: Facts): void {
  try {
    const facts = { event: 'log.suppressed', ...subject, repeatWindowMs: options.repeatWindowMs }
    logger[level](facts, 'More of the same was not written')
  } catch {
    // There is nobody left to tell.
  }
}

function loggedFacts(facts: Facts, hidesMessages: boolean): Record<string, unknown> {
  const logged: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(facts)) {
    if (value === undefined) continue
    if (name === 'err' || value instanceof Error) logged[name] = loggedError(value, hidesMessages)
    else logged[name] = isSecretName(name) ? redacted : loggedValue(value, maxFactDepth)
  }
  const code = anyCodeOf(facts['err'])
  if (code !== undefined && logged['code'] === undefined) logged['code'] = code
  return logged
}
