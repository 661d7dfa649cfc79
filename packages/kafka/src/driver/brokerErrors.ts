import type { DriverErrorKind } from './driverError.js'

/** What a broker's answer means for us, by Kafka's name of it; what is not listed, each client judges by its own facts. */
export const kindOfBrokerError: Readonly<Record<string, DriverErrorKind>> = {
  SASL_AUTHENTICATION_FAILED: 'authentication',
  UNSUPPORTED_SASL_MECHANISM: 'authentication',
  ILLEGAL_SASL_STATE: 'authentication',
  TOPIC_AUTHORIZATION_FAILED: 'authorization',
  GROUP_AUTHORIZATION_FAILED: 'authorization',
  CLUSTER_AUTHORIZATION_FAILED: 'authorization',
  UNKNOWN_TOPIC_OR_PARTITION: 'unknownTopic',
  UNKNOWN_TOPIC_ID: 'unknownTopic',
  INVALID_TOPIC_EXCEPTION: 'invalidTopic',
  INVALID_PARTITIONS: 'invalidTopic',
  INVALID_REPLICATION_FACTOR: 'invalidTopic',
  INVALID_REPLICA_ASSIGNMENT: 'invalidTopic',
  INVALID_CONFIG: 'invalidTopic',
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

/**
 * With these, nothing was appended. A leader that has appended and waits for its replicas looks again at what it is before it
 * answers: it says `NOT_LEADER_OR_FOLLOWER` when leadership has moved meanwhile, `UNKNOWN_TOPIC_OR_PARTITION` when the topic
 * was deleted and `KAFKA_STORAGE_ERROR` when its disk went away, although the message is in the log. So none of them is here.
 */
export const refusedBeforeAppend: ReadonlySet<string> = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'INVALID_TOPIC_EXCEPTION',
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
  'INVALID_TIMESTAMP',
  'NOT_ENOUGH_REPLICAS',
  // Of metadata: no leader was asked.
  'LEADER_NOT_AVAILABLE',
])
