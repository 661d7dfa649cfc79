import { coreEvents } from './coreEvents.js'
import { kafkaEvents } from './kafkaEvents.js'
import { outboxEvents } from './outboxEvents.js'
import { rabbitMqEvents } from './rabbitMqEvents.js'

/** The levels at which Posthorn writes. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** What the catalogue says of one event. Compared with `docs/reference/logs.md` by a test. */
export interface LogEventFacts {
  /** `same`: that of what was left out. */
  readonly level: LogLevel | 'same'
  /** What happened. */
  readonly meaning: string
  /** What to do about it. */
  readonly action: string
  /** What the record has, beside `event`. */
  readonly fields: readonly string[]
  /** Its errors may quote data: what they say is left out, but for Posthorn's own. */
  readonly nearData?: true
}

/** The name of an event that Posthorn writes into the log. */
export type LogEvent =
  keyof typeof coreEvents | keyof typeof rabbitMqEvents | keyof typeof kafkaEvents | keyof typeof outboxEvents

/** Every event that Posthorn writes into the log, by its name. */
export const logEvents: Readonly<Record<LogEvent, LogEventFacts>> = {
  ...coreEvents,
  ...rabbitMqEvents,
  ...kafkaEvents,
  ...outboxEvents,
}
