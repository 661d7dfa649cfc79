export type { Credentials, CredentialsSource } from './credentials.js'
export { formatPlan } from './formatPlan.js'
export type { RabbitMqOptions } from './options.js'
export type { FormerTopology, PruneOptions, PruneReport, StaleItem } from './pruneTopology.js'
export { createRabbitMq } from './rabbitMq.js'
export type { RabbitMqTransport } from './rabbitMq.js'
export type { ReplayReport, UnroutedReplay } from './replayUnrouted.js'
export type { BindingItem, ExchangeItem, QueueItem, TopologyItem, TopologyPlan } from './topology.js'
export type { RabbitMqTopology } from './topologyAdmin.js'
export type { TopologyCallOptions } from './topologyCall.js'
export type { Owner } from './topologyMap.js'
export type {
  BindingMapping,
  DestinationMapping,
  GroupMapping,
  TopologyArguments,
  TopologyMode,
  TopologyOptions,
} from './topologyOptions.js'
