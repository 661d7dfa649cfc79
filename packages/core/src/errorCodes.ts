/** What the table says of one code. */
export interface ErrorCodeFacts {
  readonly class: string
  readonly retryable: boolean
  /** What happened and what to do next, in one sentence each. Compared with `docs/reference/error-codes.md` by a test. */
  readonly meaning: string
}

const table = {
  POSTHORN_CONFIGURATION: {
    class: 'ConfigurationError',
    retryable: false,
    meaning: 'Options or contracts cannot work; `details.problems` lists every one. Correct them all and start again.',
  },
  POSTHORN_NOT_STARTED: {
    class: 'LifecycleError',
    retryable: false,
    meaning: 'The service is not started yet. Await `start()` first.',
  },
  POSTHORN_STOPPED: {
    class: 'LifecycleError',
    retryable: false,
    meaning: 'The service is stopping or stopped. Make a new one.',
  },
  POSTHORN_ALREADY_STARTED: {
    class: 'LifecycleError',
    retryable: false,
    meaning: 'What must happen before `start()` came after it. Move the call.',
  },
  POSTHORN_START_TIMEOUT: {
    class: 'LifecycleError',
    retryable: false,
    meaning:
      'A part of the service (a relay, an inbox) did not start by the deadline. Its `health()` and the log say more.',
  },
  POSTHORN_INVALID_ENVELOPE: {
    class: 'EnvelopeValidationError',
    retryable: false,
    meaning: 'The envelope breaks the CloudEvents rules; `issues` has the pointers. Correct the producer.',
  },
  POSTHORN_INVALID_DATA: {
    class: 'EnvelopeValidationError',
    retryable: false,
    meaning: 'The data breaks the contract’s schema; `issues` has the pointers. Correct the producer.',
  },
  POSTHORN_UNSERIALIZABLE: {
    class: 'SerializationError',
    retryable: false,
    meaning: 'The data has no faithful JSON form (a cycle, BigInt, NaN or Infinity). Convert it before publishing.',
  },
  POSTHORN_TOO_LARGE: {
    class: 'SerializationError',
    retryable: false,
    meaning:
      'The message exceeds `limits.maxBodyBytes` or the broker’s limit. Store the data elsewhere and send `dataref`.',
  },
  POSTHORN_TOO_DEEP: {
    class: 'SerializationError',
    retryable: false,
    meaning: 'The data is nested deeper than `limits.maxDepth`. Flatten it.',
  },
  POSTHORN_FORBIDDEN_KEY: {
    class: 'SerializationError',
    retryable: false,
    meaning: 'The data has a key named `__proto__`, which injects prototypes. Rename it.',
  },
  POSTHORN_UNDECODABLE: {
    class: 'SerializationError',
    retryable: false,
    meaning: 'The body is not valid UTF-8 or JSON. Look at the original bytes in the dead letter.',
  },
  POSTHORN_FOREIGN: {
    class: 'SerializationError',
    retryable: false,
    meaning: 'The message is no CloudEvent. Set `foreign` or a wire format for the destination.',
  },
  POSTHORN_UNREACHABLE: {
    class: 'ConnectionError',
    retryable: true,
    meaning: 'No broker address answered by the deadline. Check the addresses and that the broker runs.',
  },
  POSTHORN_CONNECTION_LOST: {
    class: 'ConnectionError',
    retryable: true,
    meaning: 'The connection broke. Posthorn reconnects by itself.',
  },
  POSTHORN_AUTHENTICATION: {
    class: 'ConnectionError',
    retryable: false,
    meaning: 'The broker refused the credentials or the virtual host. Correct them.',
  },
  POSTHORN_TLS: {
    class: 'ConnectionError',
    retryable: false,
    meaning:
      'TLS with the broker cannot work: a certificate, the authority, the host name or the port; the message says which. Correct it.',
  },
  POSTHORN_TOPOLOGY_MISMATCH: {
    class: 'TopologyError',
    retryable: false,
    meaning:
      'A queue, exchange or topic exists with other settings; the message says expected and actual. Change one of the two.',
  },
  POSTHORN_OFFSETS_LOST: {
    class: 'TopologyError',
    retryable: false,
    meaning:
      'Messages of the topic were deleted before the group has read them, and `lostOffsets` is `fail`. Set the group’s offsets, or the option.',
  },
  POSTHORN_TOPOLOGY_MISSING: {
    class: 'TopologyError',
    retryable: false,
    meaning: 'A queue, exchange or topic is missing and may not be created here. Create it or allow it.',
  },
  POSTHORN_PUBLISH_DEADLINE: {
    class: 'PublishError',
    retryable: true,
    meaning: 'The broker did not confirm by the deadline. Publish again with the same id.',
  },
  POSTHORN_PUBLISH_ABORTED: { class: 'PublishError', retryable: false, meaning: 'The caller’s `AbortSignal` fired.' },
  POSTHORN_PUBLISH_CONNECTION_LOST: {
    class: 'PublishError',
    retryable: true,
    meaning: 'The connection broke before the confirmation. Publish again with the same id.',
  },
  POSTHORN_PUBLISH_REFUSED: {
    class: 'PublishError',
    retryable: true,
    meaning: 'The broker refused the message (a full queue, too few replicas). Publish again later.',
  },
  POSTHORN_PUBLISH_UNROUTED: {
    class: 'PublishError',
    retryable: true,
    meaning: 'Nobody listens for this command, or a retry or dead-letter queue is missing. Start the consumer.',
  },
  POSTHORN_PUBLISH_NO_DESTINATION: {
    class: 'PublishError',
    retryable: false,
    meaning: 'The destination does not exist on the broker and may not be created. Create it.',
  },
  POSTHORN_PUBLISH_TOO_LARGE: {
    class: 'PublishError',
    retryable: false,
    meaning: 'The broker takes no message of this size. Store the data elsewhere and send `dataref`.',
  },
  POSTHORN_PUBLISH_MANY: {
    class: 'PublishError',
    retryable: true,
    meaning: 'Some messages of `publishMany` were not confirmed; `details.failed` lists each with its own error.',
  },
  POSTHORN_PUBLISH_FAILED: {
    class: 'PublishError',
    retryable: false,
    meaning: 'The broker’s client failed in a way that has no code of its own; see `cause`.',
  },
  POSTHORN_HANDLER_TIMEOUT: {
    class: 'HandlerTimeoutError',
    retryable: true,
    meaning:
      'A handler failed after its `handlerTimeoutMs`. Make it faster, honour `context.signal`, or allow more time.',
  },
  POSTHORN_HANDLER_RESULT: {
    class: 'NonRetryableError',
    retryable: false,
    meaning:
      'A handler returned something that is no outcome. Return nothing, or what `complete()` and the others make.',
  },
  POSTHORN_NON_RETRYABLE: {
    class: 'NonRetryableError',
    retryable: false,
    meaning: 'A handler said that a retry cannot help.',
  },
  POSTHORN_REPEATED_ID: {
    class: 'NonRetryableError',
    retryable: false,
    meaning: 'A handler published two messages that derive the same id. Name a `step` for each.',
  },
  POSTHORN_RETRIES_EXHAUSTED: {
    class: 'RetriesExhaustedError',
    retryable: false,
    meaning: 'Every attempt of the ladder failed. Correct the cause and replay the dead letter.',
  },
  POSTHORN_DEAD_LETTER: {
    class: 'DeadLetterError',
    retryable: true,
    meaning:
      'A dead letter could not be stored; the original stays and the attempt is repeated. Repair the dead-letter queue.',
  },
  POSTHORN_SETTLEMENT: {
    class: 'SettlementError',
    retryable: false,
    meaning: 'A settlement came too late; the broker delivers the message again.',
  },
  POSTHORN_NO_TRANSACTION: {
    class: 'OutboxError',
    retryable: false,
    meaning:
      'The handle is in no transaction (a pool, a connection outside of one, one that has ended); nothing was written. Give the handle that the transaction’s callback was given.',
  },
  POSTHORN_TRANSACTION_FAILED: {
    class: 'OutboxError',
    retryable: true,
    meaning:
      'A statement of the transaction had failed and its error was swallowed, so the database rolled everything back. Let such errors through, or put a savepoint before the statement.',
  },
  POSTHORN_OUTBOX_SCHEMA: {
    class: 'OutboxError',
    retryable: false,
    meaning:
      'The tables of the outbox or inbox are missing, or of another version; the message says which. Run `migrate()`, or take the release that fits.',
  },
  POSTHORN_OUTBOX_RIGHTS: {
    class: 'OutboxError',
    retryable: false,
    meaning:
      'The database role may not do this; the message names the table. Grant what the how-to lists for the role.',
  },
  POSTHORN_OUTBOX_UNAVAILABLE: {
    class: 'OutboxError',
    retryable: true,
    meaning:
      'The database cannot be reached, or broke the connection. What was under way counts as not committed unless it was read again.',
  },
  POSTHORN_OUTBOX_DUPLICATE: {
    class: 'OutboxError',
    retryable: false,
    meaning: 'A message with this id waits in the outbox already. It was stored before: go on, or choose another id.',
  },
  POSTHORN_INBOX_EXPIRED: {
    class: 'OutboxError',
    retryable: false,
    meaning:
      'The message is older than the inbox remembers, so nobody knows whether it was handled. Lengthen the retention, or allow it on purpose.',
  },
}

/** A stable code from the table. */
export type ErrorCode = keyof typeof table

/** Every code that Posthorn's errors carry. Codes are stable: they are never renamed within a major version. */
export const errorCodes: Readonly<Record<ErrorCode, ErrorCodeFacts>> = table
