/* The door for developers of services. */
export { createOpenTelemetry } from './createOpenTelemetry.js'
export type { OpenTelemetryOptions, SpanOperation } from './options.js'
export type { Telemetry } from '@posthorn/core/adapter'
