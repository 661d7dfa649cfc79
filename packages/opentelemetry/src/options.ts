import type { MeterProvider, TracerProvider } from '@opentelemetry/api'
import { boolean, listOf, object, oneOf, optionProblems, refuseProblems, wholeNumber } from '@posthorn/core/adapter'
import type { OptionRule } from '@posthorn/core/adapter'

/** The four kinds of spans, as the conventions call their operations. */
export type SpanOperation = 'send' | 'receive' | 'process' | 'settle'

/** What `createOpenTelemetry` may be told. */
export interface OpenTelemetryOptions {
  /** @default the one that was registered with `@opentelemetry/api`, also when that comes later */
  readonly tracerProvider?: TracerProvider
  /** @default the one that was registered with `@opentelemetry/api`, also when that comes later */
  readonly meterProvider?: MeterProvider
  /**
   * How a consumer's spans are tied to the message. `link`: a trace for each handled message, linked to that of its publish, as the
   * conventions ask by default. `parent`: one trace from publish to handler, where the handler takes single messages; traces get
   * long, and one that is sampled is sampled in every service. @default 'link'
   */
  readonly correlation?: 'link' | 'parent'
  /** Which spans are made. Each one left out makes a trace cheaper; metrics are counted all the same. @default all four */
  readonly spans?: readonly SpanOperation[]
  /** Writes partition keys into `messaging.kafka.message.key`. They are part of the data. @default false */
  readonly messageKeys?: boolean
  /** Names of services, groups and destinations, and classes of errors, that metrics tell apart, so many of each; later ones are not named. @default 500 */
  readonly maxNameCount?: number
}

const rules: Readonly<Record<keyof OpenTelemetryOptions, OptionRule>> = {
  tracerProvider: object,
  meterProvider: object,
  correlation: oneOf('link', 'parent'),
  spans: listOf(oneOf('send', 'receive', 'process', 'settle')),
  messageKeys: boolean,
  maxNameCount: wholeNumber(1),
}

/** Options with every default in place. */
export interface Settings {
  readonly tracerProvider: TracerProvider | undefined
  readonly meterProvider: MeterProvider | undefined
  readonly isParent: boolean
  readonly spans: ReadonlySet<SpanOperation>
  readonly messageKeys: boolean
  readonly maxNameCount: number
}

/** Throws a `ConfigurationError` that lists all problems. */
export function settingsOf(options: OpenTelemetryOptions): Settings {
  refuseProblems('createOpenTelemetry()', optionProblems('', options, rules))
  return {
    tracerProvider: options.tracerProvider,
    meterProvider: options.meterProvider,
    isParent: options.correlation === 'parent',
    spans: new Set(options.spans ?? ['send', 'receive', 'process', 'settle']),
    messageKeys: options.messageKeys ?? false,
    maxNameCount: options.maxNameCount ?? 500,
  }
}
