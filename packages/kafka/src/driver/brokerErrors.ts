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

/** With these, the leader has not appended. After `NOT_ENOUGH_REPLICAS_AFTER_APPEND` it has. */
export const refusedBeforeAppend: ReadonlySet<string> = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'INVALID_TOPIC_EXCEPTION',
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
  'INVALID_TIMESTAMP',
  'NOT_ENOUGH_REPLICAS',
  // One error with two names: kafkajs knows the older one.
  'NOT_LEADER_FOR_PARTITION',
  'NOT_LEADER_OR_FOLLOWER',
  'LEADER_NOT_AVAILABLE',
])
