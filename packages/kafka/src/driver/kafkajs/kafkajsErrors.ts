import { isTlsCode } from '../../tlsProblem.js'
import { kindOfBrokerError, refusedBeforeAppend } from '../brokerErrors.js'
import { DriverError } from '../driverError.js'
import type { DriverErrorKind } from '../driverError.js'

const kindOfName: Readonly<Record<string, DriverErrorKind>> = {
  KafkaJSSASLAuthenticationError: 'authentication',
  KafkaJSNotImplemented: 'unsupported',
  KafkaJSServerDoesNotSupportApiKey: 'unsupported',
  KafkaJSConnectionError: 'connection',
  KafkaJSConnectionClosedError: 'connection',
  KafkaJSRequestTimeoutError: 'connection',
  KafkaJSLockTimeout: 'connection',
  KafkaJSBrokerNotFound: 'connection',
  KafkaJSNoBrokerAvailableError: 'connection',
  KafkaJSMetadataNotLoaded: 'connection',
  KafkaJSTopicMetadataNotLoaded: 'connection',
  KafkaJSGroupCoordinatorNotFound: 'unavailable',
}

interface KafkajsError {
  readonly name: string
  readonly message: string
  readonly type?: unknown
  readonly code?: unknown
  readonly retriable?: unknown
  readonly cause?: unknown
  readonly errors?: unknown
}

/** Translates whatever kafkajs threw; an error that is translated already stays as it is. */
export function toDriverError(error: unknown, doing: string): DriverError {
  if (error instanceof DriverError) return error
  const found = innermost(error)
  // Of a login: it went through kafkajs and came back.
  if (found instanceof DriverError) return found
  const type = typeof found?.type === 'string' ? found.type : undefined
  return new DriverError({
    kind: kindOf(found, type),
    message: `${doing}: ${found?.message ?? String(error)}`,
    written: type !== undefined && refusedBeforeAppend.has(type) ? 'no' : 'unknown',
    cause: tlsCause(found) ?? error,
  })
}

/** kafkajs makes an error of its own of the one of OpenSSL, of which it keeps the code. */
function tlsCause(error: KafkajsError | undefined): Error | undefined {
  if (error === undefined || !isTlsCode(error.code)) return undefined
  return Object.assign(new Error(error.message.replace(/^Connection error: /, '')), { code: error.code })
}

/** Kafka's name of what went wrong, where a broker said it. */
export function typeOf(error: unknown): string | undefined {
  const type = innermost(error)?.type
  return typeof type === 'string' ? type : undefined
}

/** kafkajs wraps what it gave up, and lists what went wrong with several topics. */
function innermost(error: unknown): KafkajsError | undefined {
  let found: unknown = error
  for (let depth = 0; depth < 8 && found instanceof Error; depth += 1) {
    const { cause, errors, type } = found as KafkajsError
    if (typeof type === 'string' || found instanceof DriverError) break
    if (Array.isArray(errors) && errors[0] instanceof Error) found = errors[0]
    else if (cause instanceof Error) found = cause
    else break
  }
  return found instanceof Error ? found : undefined
}

function kindOf(error: KafkajsError | undefined, type: string | undefined): DriverErrorKind {
  if (error === undefined) return 'other'
  const known = (type === undefined ? undefined : kindOfBrokerError[type]) ?? kindOfName[error.name]
  if (isTlsCode(error.code)) return 'tls'
  if (known !== undefined) return known
  // "Cannot read properties of null": kafkajs got no metadata from any broker (its issue 1441).
  if (error.name === 'TypeError') return 'connection'
  return error.retriable === true ? 'unavailable' : 'other'
}
