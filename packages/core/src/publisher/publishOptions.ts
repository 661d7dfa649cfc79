import { boolean, object, optionProblems, text, wholeNumber } from '../optionProblems.js'
import type { OptionRule } from '../optionProblems.js'
import type { Transport } from '../ports.js'
import type { MessageOptions } from './messageBuilder.js'
import { routingProblems } from './publisherOptions.js'

/** How one message is published. */
export interface PublishOptions extends MessageOptions {
  /** @default the publisher's `deadlineMs` */
  readonly deadlineMs?: number
  /** Gives up waiting; what was already sent stays sent (`outcome: 'unknown'`). */
  readonly signal?: AbortSignal
  /** Reject when nobody receives the message. @default true for commands where the transport can tell */
  readonly mustRoute?: boolean
}

/** What is known of a message that the broker confirmed. */
export interface PublishResult {
  readonly id: string
  /** Whether a queue took it; undefined where the transport cannot tell, as Kafka, and RabbitMQ after a lost answer. */
  readonly routed: boolean | undefined
}

/** No options: one object, so that there is nothing to check. */
export const none: PublishOptions = Object.freeze({})

/** The rules of what may be said of any message. */
export const messageOptionRules: Readonly<Record<keyof MessageOptions, OptionRule>> = {
  id: text,
  partitionKey: text,
  subject: text,
  time: date,
  correlationId: text,
  causationId: text,
  expiresAt: date,
  dataref: text,
  sequence: text,
  extensions: object,
  headers: stringValues,
}

const publishRules: Readonly<Record<keyof PublishOptions, OptionRule>> = {
  ...messageOptionRules,
  deadlineMs: wholeNumber(1),
  signal: object,
  mustRoute: boolean,
}

/** Lists what is wrong with the options of one message. */
export function publishOptionProblems(options: PublishOptions, transport: Transport): string[] {
  if (options === none) return []
  return [...optionProblems('options', options, publishRules), ...routingProblems(options, transport)]
}

/** AMQP closes the channel over an Infinity, and drops what it does not know: only strings get there. */
function stringValues(value: unknown, path: string): string | undefined {
  if (typeof value !== 'object' || value === null) return `${path} must be an object of strings`
  const wrong = Object.keys(value).filter((name) => typeof (value as Record<string, unknown>)[name] !== 'string')
  return wrong.length === 0 ? undefined : `${path}.${wrong[0]} must be a string`
}

export function date(value: unknown, path: string): string | undefined {
  return value instanceof Date && !Number.isNaN(value.getTime()) ? undefined : `${path} must be a valid Date`
}
