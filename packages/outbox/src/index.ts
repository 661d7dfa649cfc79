/* The door for developers of services. Authors of stores implement the ports. */
export type { HealthAddress, RelayConfig } from './executable/relayConfig.js'
export { handlersWith } from './handlersWith.js'
export type { InboxHandlers } from './handlersWith.js'
export { createInbox } from './inbox.js'
export type { Inbox, InboxHealth, InboxOptions } from './inbox.js'
export type { BatchInboxContext, InboxContext, OutboxFollowUpOptions } from './inboxContext.js'
export type { InboxCounts } from './inboxRun.js'
export { createMemoryStore } from './memoryStore.js'
export type { MemoryStore } from './memoryStore.js'
export type { MemoryStoreOptions } from './memoryStoreState.js'
export type { MemoryTransaction } from './memoryTransaction.js'
export { createOutbox } from './outbox.js'
export type { Outbox, OutboxOptions, OutboxPublishOptions, OutboxResult } from './outbox.js'
export { partitionOf } from './partitionOf.js'
export type {
  EntryFailure,
  EntryKey,
  EntryRef,
  FailureVerdict,
  InboxKey,
  InboxStore,
  InboxVerdict,
  Lease,
  LeaseView,
  Listener,
  ListenerEvents,
  NewEntry,
  OutboxEntry,
  OutboxStats,
  OutboxWriter,
  ParkedDecision,
  ParkedKey,
  ParkPolicy,
  ReadRequest,
  RelayStore,
} from './ports.js'
export { createRelay } from './relay/relay.js'
export type { Relay } from './relay/relay.js'
export type { RelayHealth, RelayState } from './relay/relayHealth.js'
export type { ListenerState } from './relay/relayListener.js'
export type { RelayOptions } from './relay/relayOptions.js'
export type { RelayStartOptions, RelayStopOptions } from './relay/relayStart.js'
export type { RelayCounts, RelayError } from './relay/relayWorld.js'
