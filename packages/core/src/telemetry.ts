import type { Envelope } from '@posthorn/contracts'
import type { TraceHeaders } from './envelope/buildEnvelope.js'
import type { Metrics } from './metrics.js'
import type { OptionRule } from './optionProblems.js'
import type { Delivery, Transport } from './ports.js'

/** One call of a handler, as telemetry sees it. */
export interface Processing {
  readonly destination: string
  readonly group: string
  /** The group's work, or its dead letters. */
  readonly source: 'work' | 'dead'
  /** The handler takes batches, also when it gets one of one item. */
  readonly isBatch: boolean
  /** What it works on: at least one. */
  readonly messages: readonly ProcessedMessage[]
}

/** One message of a call. */
export interface ProcessedMessage {
  /** As the observed transport handed it over. */
  readonly delivery: Delivery
  /** Undefined where a dead letter cannot be read. */
  readonly envelope: Envelope | undefined
}

/**
 * Sees messages pass; `@posthorn/opentelemetry` makes one. A service without telemetry pays nothing for it. Nothing here
 * throws on its own account, and none of it changes what becomes of a message.
 */
export interface Telemetry {
  /** False while nobody would see anything: calls of handlers are then not told at all. Asked for each. */
  readonly isActive: boolean
  /** Gives the active trace, for the envelope and the headers of a new message. */
  readonly captureTrace: () => TraceHeaders
  /** Gives the transport that takes this one's place: sends, deliveries and settlements are seen there. */
  observe(transport: Transport): Transport
  /** Runs one call of a handler, and gives back, or throws, what `run` does. */
  process(processing: Processing, run: () => unknown): unknown
  readonly metrics: Metrics
}

/** An object, perhaps of a class, that has the methods of a telemetry. */
export const telemetryRule: OptionRule = (value, path) => {
  const given = value as Partial<Telemetry> | null
  const isComplete = [given?.captureTrace, given?.observe, given?.process].every((one) => typeof one === 'function')
  return isComplete ? undefined : `${path} must be what createOpenTelemetry() of @posthorn/opentelemetry makes`
}
