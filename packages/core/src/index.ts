/* The door for developers of services. Adapters use `@posthorn/core/adapter`. */
export {
  ContractError,
  defineCommand,
  defineEvent,
  type CommandContract,
  type Contract,
  type Envelope,
  type EventContract,
} from '@posthorn/contracts'
export { systemClock } from './clock.js'
export type { Clock, TimerHandle } from './clock.js'
export type { Consumer } from './consumer/consumer.js'
export type { ConsumerHealth } from './consumer/consumerHealth.js'
export type { AdoptForeign, ConsumerOptions, OrderOptions } from './consumer/consumerOptions.js'
export type { DeadLetterReason } from './consumer/copyHeaders.js'
export { readDeadLetter } from './consumer/deadLetters.js'
export type { DeadLetter, DeadLetterHandler } from './consumer/deadLetters.js'
export { on, onBatch } from './consumer/handler.js'
export type {
  BatchContext,
  BatchHandler,
  BatchItem,
  BatchOptions,
  BatchResult,
  FollowUpOptions,
  Handler,
  HandlerContext,
  HandlerRegistration,
  HandlerResult,
  IncomingMessage,
} from './consumer/handler.js'
export { handledAs } from './consumer/middleware.js'
export type { Handled, HandlerCall, Middleware } from './consumer/middleware.js'
export { complete, deadLetter, discard, retryAfter } from './consumer/outcome.js'
export type { Outcome } from './consumer/outcome.js'
export type { RetryOptions } from './consumer/retryPolicy.js'
export { binaryMode } from './envelope/binaryMode.js'
export type { EnvelopeDraft, EnvelopeOptions, TraceHeaders } from './envelope/buildEnvelope.js'
export { jsonCodec } from './envelope/codec.js'
export type { Codec } from './envelope/codec.js'
export type { Limits } from './envelope/jsonGuard.js'
export { plainJson } from './envelope/plainJson.js'
export type { PlainJsonAttributes, PlainJsonOptions } from './envelope/plainJson.js'
export { structuredMode } from './envelope/structuredMode.js'
export type { CloudEventsModeOptions, RawMessage, WireContext, WireFormat } from './envelope/wireFormat.js'
export { errorCodes } from './errorCodes.js'
export type { ErrorCode, ErrorCodeFacts } from './errorCodes.js'
export {
  codeOf,
  ConfigurationError,
  ConnectionError,
  DeadLetterError,
  EnvelopeValidationError,
  HandlerTimeoutError,
  LifecycleError,
  NonRetryableError,
  OutboxError,
  PosthornError,
  PublishError,
  RetriesExhaustedError,
  SerializationError,
  SettlementError,
  TopologyError,
} from './errors.js'
export type { PosthornErrorOptions, PublishOutcome, ValidationIssue } from './errors.js'
export type { Health, HealthReason } from './health.js'
export { healthCodes } from './healthCodes.js'
export type { HealthCode, HealthCodeFacts } from './healthCodes.js'
export { createUuidV7 } from './ids.js'
export type { IdGenerator } from './ids.js'
export { createDefaultLogger, silentLogger } from './logger.js'
export type { LogMethod, Logger } from './logger.js'
export { logEvents } from './logs/logEvents.js'
export type { LogEvent, LogEventFacts, LogLevel } from './logs/logEvents.js'
export type { LogOptions } from './logs/logOptions.js'
export type {
  Counter,
  Histogram,
  HistogramFacts,
  InstrumentFacts,
  MetricAttributes,
  Metrics,
  Reading,
} from './metrics.js'
export type { KitOptions, MessageKitOptions } from './messagingKit.js'
export type { Declaration, Transport, TransportHealth } from './ports.js'
export type { MessageOptions } from './publisher/messageBuilder.js'
export type { Publisher, PublisherHealth } from './publisher/publisher.js'
export type { PublishOptions, PublishResult } from './publisher/publishOptions.js'
export type { MessageSettings, Outgoing, PublishDecorator, PublisherSettings } from './publisher/publisherOptions.js'
export type { PartHealth, PartSurroundings, ServicePart } from './service/parts.js'
export { createService } from './service/service.js'
export type { ServiceState, StopOptions } from './service/lifecycle.js'
export type { Service, ServiceOptions } from './service/service.js'
export type { ServiceHealth } from './service/serviceHealth.js'
export type { ProcessedMessage, Processing, Telemetry } from './telemetry.js'
export type { StartOptions } from './service/startTransport.js'
export type { DeadLetterSource } from './service/units.js'
