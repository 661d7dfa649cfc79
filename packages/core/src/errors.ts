import { errorCodes } from './errorCodes.js'
import type { ErrorCode } from './errorCodes.js'

/** What every error of Posthorn has. Recognise errors by `code`: two installed copies of a package have two classes. */
export interface PosthornErrorOptions {
  readonly code: ErrorCode
  /** What happened, where, and what next; never data, never a password. */
  readonly message: string
  readonly details?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
  /** @default what the table of codes says */
  readonly retryable?: boolean
}

/** The base of all errors that Posthorn throws. */
export class PosthornError extends Error {
  readonly code: ErrorCode
  readonly retryable: boolean
  readonly details: Readonly<Record<string, unknown>>

  constructor(options: PosthornErrorOptions) {
    super(options.message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = new.target.name
    this.code = options.code
    this.retryable = options.retryable ?? errorCodes[options.code].retryable
    this.details = options.details ?? {}
  }
}

/** Thrown before any I/O; lists every problem that was found. */
export class ConfigurationError extends PosthornError {
  constructor(what: string, problems: readonly string[]) {
    super({
      code: 'POSTHORN_CONFIGURATION',
      message: `${what} cannot work:\n${problems.map((problem) => `- ${problem}`).join('\n')}`,
      details: { problems },
    })
  }
}

/** A call at the wrong time. */
export class LifecycleError extends PosthornError {}

/** One place where an envelope or its data breaks a schema: where and which rule, never the value. */
export interface ValidationIssue {
  /** JSON pointer into the envelope: `/data/lines/0/quantity`. It has the keys of maps, which messages and logs leave out. */
  readonly pointer: string
  /** The JSON Schema keyword that failed. */
  readonly keyword: string
  readonly message: string
}

/** The envelope or its data is invalid. */
export class EnvelopeValidationError extends PosthornError {
  readonly issues: readonly ValidationIssue[]

  constructor(options: PosthornErrorOptions & { readonly issues: readonly ValidationIssue[] }) {
    super({ ...options, details: { ...options.details, issues: options.issues } })
    this.issues = options.issues
  }
}

/** Bytes that cannot become a message, or a message that cannot become bytes. */
export class SerializationError extends PosthornError {}

/** The broker cannot be reached, or refuses us. */
export class ConnectionError extends PosthornError {}

/** Queues, exchanges or topics are not as they must be. */
export class TopologyError extends PosthornError {}

/** `notSent`: the message will never appear. `unknown`: it may have arrived; repeating it with the same id is safe. */
export type PublishOutcome = 'notSent' | 'unknown'

/** The broker did not confirm a message. */
export class PublishError extends PosthornError {
  readonly outcome: PublishOutcome

  constructor(options: PosthornErrorOptions & { readonly outcome: PublishOutcome }) {
    super(options)
    this.outcome = options.outcome
  }
}

/** A handler failed after its time was over. */
export class HandlerTimeoutError extends PosthornError {}

/** Thrown by handlers: a retry cannot help, the message is dead-lettered at once. */
export class NonRetryableError extends PosthornError {
  constructor(message: string, options: { readonly cause?: unknown; readonly code?: ErrorCode } = {}) {
    super({ code: options.code ?? 'POSTHORN_NON_RETRYABLE', message, cause: options.cause })
  }
}

/** The reason on a dead letter whose attempts all failed. */
export class RetriesExhaustedError extends PosthornError {}

/** A dead letter could not be stored. The original is never acknowledged on this. */
export class DeadLetterError extends PosthornError {}

/** A settlement that reached nobody. */
export class SettlementError extends PosthornError {}

/** The outbox or the inbox cannot do its work: the database, its schema, its rights, or the handle that it was given. */
export class OutboxError extends PosthornError {}

/** The code of an error of Posthorn, from any copy of the package; undefined for every other value. */
export function codeOf(error: unknown): ErrorCode | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  try {
    const { code } = error as { code?: unknown }
    return typeof code === 'string' && Object.hasOwn(errorCodes, code) ? (code as ErrorCode) : undefined
  } catch {
    return undefined // A getter that throws: user errors may be anything.
  }
}
