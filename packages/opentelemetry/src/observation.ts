import {
  context,
  INVALID_SPAN_CONTEXT,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
} from '@opentelemetry/api'
import type { Context, Link, Span } from '@opentelemetry/api'
import { ActiveSpanContext } from './activeSpanContext.js'
import type { BoundedNames } from './boundedNames.js'
import { errorType } from './errorType.js'
import type { Instruments } from './instruments.js'
import type { Settings, SpanOperation } from './options.js'
import type { Providers } from './providers.js'
import type { Route, Routes } from './routes.js'

/** What all observers of one transport share. */
export interface Observation {
  readonly system: string
  readonly settings: Settings
  readonly providers: Providers
  readonly instruments: Instruments
  readonly routes: Routes
  readonly errorNames: BoundedNames
}

/** An operation under way: what its end needs, and no more, since it lives as long as its message is under way. */
export interface Operation {
  readonly route: Route
  /** Undefined where it has none, or one that takes nothing in. */
  readonly span: Span | undefined
  readonly startedAt: number
}

export interface OperationFacts {
  readonly type: SpanOperation
  readonly route: Route
  readonly parent: Context
  readonly links: Link[]
  /** On `performance.now()`. */
  readonly startedAt: number
}

const kinds = {
  send: SpanKind.PRODUCER,
  receive: SpanKind.CLIENT,
  process: SpanKind.CONSUMER,
  settle: SpanKind.CLIENT,
} as const

/** Whether anybody looks. */
export function isActive(providers: Providers): boolean {
  return providers.tracer() !== undefined || providers.meter() !== undefined
}

/** Starts the span of an operation, where it is to have one. */
export function startSpan(observation: Observation, facts: OperationFacts): Span | undefined {
  const { type, route, parent, startedAt } = facts
  const tracer = observation.settings.spans.has(type) ? observation.providers.tracer() : undefined
  if (tracer === undefined) return undefined
  const options = {
    kind: kinds[type],
    attributes: route.spanAttributes,
    links: facts.links,
    startTime: startedAt,
  }
  return tracer.startSpan(route.spanName, options, parent)
}

/** Whether a span is told what differs from message to message. Samplers have seen the rest: this costs only where it is kept. */
export function isRecording(span: Span | undefined): span is Span {
  return span?.isRecording() === true
}

/** The context in which a span is active. */
export function contextWith(parent: Context, span: Span | undefined): Context {
  return span === undefined ? parent : new ActiveSpanContext(parent, span)
}

/** The API's own span that only carries a context. Another copy of the API has another one, which is kept until its end. */
const EmptySpan = trace.wrapSpanContext(INVALID_SPAN_CONTEXT).constructor

/** A span as an operation keeps it: one that the SDK threw away is not held until the broker answers, since nothing is to be told to it. */
export function heldSpan(span: Span | undefined): Span | undefined {
  return span?.constructor === EmptySpan ? undefined : span
}

/** Whether the spans of a call are kept; those around it follow its decision, so that a kept trace is whole. */
export function isKept(call: Context): boolean {
  const span = trace.getSpanContext(call)
  return span === undefined || (span.traceFlags & TraceFlags.SAMPLED) !== 0
}

/** How long something took, on `performance.now()`. */
export interface TimeSpan {
  readonly startedAt: number
  readonly endedAt: number
}

/** Measures an operation that was well and has no span: what is not kept is measured all the same. */
export function measure(route: Route, { startedAt, endedAt }: TimeSpan, messageCount: number): void {
  route.measures.add((endedAt - startedAt) / 1_000, messageCount, undefined)
}

/** How an operation ended. */
export interface Ending {
  /** What made it fail. */
  readonly error?: { readonly of: unknown } | undefined
  /** @default 1 */
  readonly messageCount?: number
  /** On `performance.now()`. @default now */
  readonly endedAt?: number
}

/** Ends the span, and measures. */
export function end(observation: Observation, operation: Operation, ending: Ending): void {
  const { route, span, startedAt } = operation
  const { error, messageCount = 1, endedAt = performance.now() } = ending
  const failed = error === undefined ? undefined : errorType(error.of, observation.errorNames)
  if (failed !== undefined && span !== undefined) {
    span.setAttribute('error.type', failed)
    span.setStatus({ code: SpanStatusCode.ERROR })
  }
  span?.end(endedAt)
  route.measures.add((endedAt - startedAt) / 1_000, messageCount, failed)
}

/** How an operation ends whose one message was well. */
export const well: Ending = {}

/** The key that every SDK looks up; `@opentelemetry/core` has a function for it, which would be one more dependency. */
const suppressed = Symbol.for('OpenTelemetry SDK Context Key SUPPRESS_TRACING')
/** The same for all messages: nobody has anything to look for in it. */
const quiet = ROOT_CONTEXT.setValue(suppressed, true)

/** Instrumentations of broker clients make no span of their own for what runs within. */
export function withoutClientSpans<Result>(work: () => Result): Result {
  return context.with(quiet, work)
}
