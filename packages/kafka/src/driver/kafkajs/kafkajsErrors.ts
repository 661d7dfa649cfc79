import { DriverError } from '../driverError.js'
import type { DriverErrorKind } from '../driverError.js'

/** By Kafka's own error names; what is not listed is judged by the class of kafkajs, and by its `retriable`. */
const kindOfType: Readonly<Record<string, DriverErrorKind>> = {
  SASL_AUTHENTICATION_FAILED: 'authentication',
  UNSUPPORTED_SASL_MECHANISM: 'authentication',
  ILLEGAL_SASL_STATE: 'authentication',
  TOPIC_AUTHORIZATION_FAILED: 'authorization',
  GROUP_AUTHORIZATION_FAILED: 'authorization',
  CLUSTER_AUTHORIZATION_FAILED: 'authorization',
  UNKNOWN_TOPIC_OR_PARTITION: 'unknownTopic',
  INVALID_TOPIC_EXCEPTION: 'invalidTopic',
  INVALID_PARTITIONS: 'invalidTopic',
  INVALID_REPLICATION_FACTOR: 'invalidTopic',
  POLICY_VIOLATION: 'invalidTopic',
  MESSAGE_TOO_LARGE: 'tooLarge',
  RECORD_LIST_TOO_LARGE: 'tooLarge',
  INVALID_RECORD: 'invalidRecord',
  INVALID_TIMESTAMP: 'invalidRecord',
  NOT_ENOUGH_REPLICAS: 'tooFewReplicas',
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: 'tooFewReplicas',
  REBALANCE_IN_PROGRESS: 'membership',
  ILLEGAL_GENERATION: 'membership',
  UNKNOWN_MEMBER_ID: 'membership',
  FENCED_INSTANCE_ID: 'membership',
}

const kindOfName: Readonly<Record<string, DriverErrorKind>> = {
  KafkaJSSASLAuthenticationError: 'authentication',
  KafkaJSNotImplemented: 'unsupported',
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

/** With these, the leader has not appended. After `NOT_ENOUGH_REPLICAS_AFTER_APPEND` it has. */
const refusedBeforeAppend: ReadonlySet<string> = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'INVALID_TOPIC_EXCEPTION',
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
  'INVALID_TIMESTAMP',
  'NOT_ENOUGH_REPLICAS',
  'NOT_LEADER_FOR_PARTITION',
  'LEADER_NOT_AVAILABLE',
])

interface KafkajsError {
  readonly name: string
  readonly message: string
  readonly type?: unknown
  readonly retriable?: unknown
  readonly cause?: unknown
  readonly errors?: unknown
}

/** Translates whatever kafkajs threw; an error that is translated already stays as it is. */
export function toDriverError(error: unknown, doing: string): DriverError {
  if (error instanceof DriverError) return error
  const found = innermost(error)
  const type = typeof found?.type === 'string' ? found.type : undefined
  return new DriverError({
    kind: kindOf(found, type),
    message: `${doing}: ${found?.message ?? String(error)}`,
    written: type !== undefined && refusedBeforeAppend.has(type) ? 'no' : 'unknown',
    cause: error,
  })
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
    if (typeof type === 'string') break
    if (Array.isArray(errors) && errors[0] instanceof Error) found = errors[0]
    else if (cause instanceof Error) found = cause
    else break
  }
  return found instanceof Error ? found : undefined
}

function kindOf(error: KafkajsError | undefined, type: string | undefined): DriverErrorKind {
  if (error === undefined) return 'other'
  const known = (type === undefined ? undefined : kindOfType[type]) ?? kindOfName[error.name]
  if (known !== undefined) return known
  // "Cannot read properties of null": kafkajs got no metadata from any broker (its issue 1441).
  if (error.name === 'TypeError') return 'connection'
  return error.retriable === true ? 'unavailable' : 'other'
}
