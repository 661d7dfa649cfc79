/** What went wrong, in words that every Kafka client can be translated into. */
export type DriverErrorKind =
  /** No connection, or one that broke or did not answer. */
  | 'connection'
  /** TLS cannot work like this: a certificate, its authority, the host name, the port. `cause` has the code. */
  | 'tls'
  /** The broker takes no such login, or none without one. */
  | 'authentication'
  /** The application's own function gave no credentials. */
  | 'credentials'
  /** Logged in, and without the right to do it. */
  | 'authorization'
  | 'unknownTopic'
  | 'invalidTopic'
  /** The broker takes no record, or no batch, of this size. */
  | 'tooLarge'
  /** The broker takes every record of the batch but one (without a key on a compacted topic, with a wild timestamp). */
  | 'invalidRecord'
  | 'tooFewReplicas'
  /** A leader or coordinator moves or loads; the same request works soon. */
  | 'unavailable'
  /** The group rebalances, or does not know this member any more. */
  | 'membership'
  /** The client cannot read what it got (a compression codec that is not there). */
  | 'unsupported'
  /** The driver was closed. */
  | 'closed'
  | 'other'

export interface DriverErrorOptions {
  readonly kind: DriverErrorKind
  readonly message: string
  /** Whether a send may have reached the log. @default 'unknown' */
  readonly written?: 'no' | 'unknown'
  readonly cause?: unknown
}

/** What a driver throws; never an error of its client as it is. */
export class DriverError extends Error {
  readonly kind: DriverErrorKind
  readonly written: 'no' | 'unknown'

  constructor(options: DriverErrorOptions) {
    super(options.message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'DriverError'
    this.kind = options.kind
    this.written = options.written ?? 'unknown'
  }
}

const passing: ReadonlySet<DriverErrorKind> = new Set([
  'connection',
  'credentials',
  'unavailable',
  'membership',
  'tooFewReplicas',
])

/** Whether waiting and trying again can help. */
export function isPassing(error: unknown): boolean {
  return error instanceof DriverError && passing.has(error.kind)
}

/** Whether the broker does not let us in: somebody has to change something, though perhaps not here. */
export function isRefusedLogin(error: unknown): boolean {
  return error instanceof DriverError && (error.kind === 'authentication' || error.kind === 'tls')
}

/**
 * Whether an error is an outage for who was connected before. A certificate that has expired overnight, or a password
 * that was changed too early, ends the start of a service, and not a service that runs.
 */
export function isOutage(error: unknown): boolean {
  return isPassing(error) || isRefusedLogin(error)
}
