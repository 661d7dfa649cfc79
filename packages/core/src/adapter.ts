/*
 * The door for authors of transports, of stores, and of parts of a service: the ports, and the small tools that all of them
 * need.
 */
export { attributeProblem, destinationProblem, groupProblem } from '@posthorn/contracts'
export { askCredentials, CredentialsError } from './askCredentials.js'
export type { AskedFunction, CredentialsWait } from './askCredentials.js'
export { fullJitter } from './backoff.js'
export type { BackoffOptions } from './backoff.js'
export { systemClock } from './clock.js'
export type { Clock, TimerHandle } from './clock.js'
export { keyHeader } from './consumer/copyHeaders.js'
export { timestampMs } from './consumer/expiry.js'
export { createFollowUps } from './consumer/followUps.js'
export type { FollowUp, FollowUpFacts, FollowUps, FollowUpTarget } from './consumer/followUps.js'
export { isOutcome } from './consumer/outcome.js'
export { createDeadlines } from './deadlines.js'
export type { Deadline, DeadlineEntry, Deadlines } from './deadlines.js'
export type { ErrorCode } from './errorCodes.js'
export {
  ConfigurationError,
  ConnectionError,
  LifecycleError,
  OutboxError,
  PosthornError,
  PublishError,
  TopologyError,
} from './errors.js'
export { codeOf } from './errors.js'
export type { PublishOutcome } from './errors.js'
export { watchEventLoop } from './eventLoopWatch.js'
export type { EventLoopWatch, EventLoopWatchOptions } from './eventLoopWatch.js'
export { askHealth, healthFrom, healthReason, joinHealth } from './health.js'
export type { Health, HealthReason } from './health.js'
export type { HealthCode } from './healthCodes.js'
export { silentLogger } from './logger.js'
export type { LogMethod, Logger } from './logger.js'
export { createLog } from './logs/createLog.js'
export type { Log } from './logs/createLog.js'
export { logRule, normalLogOptions } from './logs/logOptions.js'
export type { NormalLogOptions } from './logs/logOptions.js'
export { redactText } from './logs/redactText.js'
export { mappingProblems } from './mappingProblems.js'
export type { MappingRules } from './mappingProblems.js'
export { consumerMetrics } from './metricsCatalogue/consumerMetrics.js'
export { messagingMetrics } from './metricsCatalogue/messagingMetrics.js'
export type { DurationFacts, MetricFacts, NumberFacts } from './metricsCatalogue/metricFacts.js'
export { metricsCatalogue, prometheusName } from './metricsCatalogue/metricsCatalogue.js'
export { outboxMetrics } from './metricsCatalogue/outboxMetrics.js'
export { publisherMetrics } from './metricsCatalogue/publisherMetrics.js'
export { transportMetrics } from './metricsCatalogue/transportMetrics.js'
export { metricsRule, observeNumbers, readingsBy, withAttributes } from './observeNumbers.js'
export type { ObservedNumber } from './observeNumbers.js'
export { noHeaders } from './noHeaders.js'
export {
  anything,
  boolean,
  callable,
  listOf,
  object,
  oneOf,
  optionProblems,
  refuseProblems,
  scalars,
  text,
  wholeNumber,
  wholeNumberOrFalse,
} from './optionProblems.js'
export type { OptionRule } from './optionProblems.js'
export type {
  Capabilities,
  Declaration,
  Delivery,
  DeliveryPosition,
  Receipt,
  RunningSubscription,
  SendOptions,
  Sender,
  Subscriber,
  Subscription,
  Target,
  TopicHealth,
  Transport,
  TransportContext,
  TransportHealth,
  WireMessage,
} from './ports.js'
export type {
  Counter,
  Histogram,
  HistogramFacts,
  InstrumentFacts,
  MetricAttributes,
  Metrics,
  Reading,
} from './metrics.js'
export { createProgressWatch } from './progressWatch.js'
export type { ProgressWatch, ProgressWatchOptions } from './progressWatch.js'
export type { TraceHeaders } from './envelope/buildEnvelope.js'
export type { ProcessedMessage, Processing, Telemetry } from './telemetry.js'
export type { PartHealth, PartSurroundings, ServicePart } from './service/parts.js'
export { createMessageFactory, messageFactoryProblems, messageFactoryRules } from './publisher/messageFactory.js'
export type {
  FinishedMessage,
  LaterMessageOptions,
  MessageFactory,
  MessageFactoryOptions,
  SendingCapabilities,
} from './publisher/messageFactory.js'
export { resourceNames, targetName } from './resourceNames.js'
export { transportHealth } from './transportHealth.js'
export type { TransportCondition } from './transportHealth.js'
export { tlsProblemOf } from './tlsProblem.js'
export type { TlsAdvice } from './tlsProblem.js'
