/* The Kafka adapter: `createKafka` makes a transport for `createService` of `@posthorn/core`. */
export { formatPlan } from './formatPlan.js'
export { createKafka } from './kafka.js'
export type { KafkaTransport } from './kafka.js'
export type {
  KafkaCredentials,
  KafkaOptions,
  KafkaSasl,
  KafkaSecretSource,
  KafkaTls,
  PartitionerInput,
} from './options.js'
export type { PruneOptions, PruneReport, StaleItem } from './pruneTopology.js'
export type { KafkaTopology } from './topologyAdmin.js'
export type { TopologyCallOptions } from './topologyCall.js'
export type { PlannedTopic, TopicUse } from './topologyMap.js'
export type {
  DestinationMapping,
  GroupMapping,
  TopicConfigs,
  TopologyMode,
  TopologyOptions,
} from './topologyOptions.js'
export type { TopologyPlan } from './topologyPlan.js'
