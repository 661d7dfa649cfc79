/* The door for authors of transports: the ports, and the small tools that every adapter needs. */
export { attributeProblem, destinationProblem, groupProblem } from '@posthorn/contracts'
export { fullJitter } from './backoff.js'
export type { BackoffOptions } from './backoff.js'
export { systemClock } from './clock.js'
export type { Clock, TimerHandle } from './clock.js'
export { createDeadlines } from './deadlines.js'
export type { Deadline, DeadlineEntry, Deadlines } from './deadlines.js'
export type { ErrorCode } from './errorCodes.js'
export {
  ConfigurationError,
  ConnectionError,
  LifecycleError,
  PosthornError,
  PublishError,
  TopologyError,
} from './errors.js'
export { codeOf } from './errors.js'
export type { PublishOutcome } from './errors.js'
export { silentLogger } from './logger.js'
export type { LogMethod, Logger } from './logger.js'
export {
  anything,
  boolean,
  callable,
  listOf,
  object,
  oneOf,
  optionProblems,
  refuseProblems,
  text,
  wholeNumber,
} from './optionProblems.js'
export type { OptionRule } from './optionProblems.js'
export type {
  Capabilities,
  Declaration,
  Delivery,
  Receipt,
  RunningSubscription,
  SendOptions,
  Sender,
  Subscriber,
  Subscription,
  Target,
  Transport,
  TransportContext,
  TransportHealth,
  WireMessage,
} from './ports.js'
export { resourceNames, targetName } from './resourceNames.js'
