import type { IncomingMessage, ServerResponse } from 'node:http'
import { callable, object, optionProblems, refuseProblems, text, wholeNumber } from '@posthorn/core/adapter'
import type { Logger, OptionRule } from '@posthorn/core/adapter'
import type { HealthSubjects } from './probes.js'

/** Answers one request for the metrics, as the exporter of OpenTelemetry does. */
export type MetricsHandler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>

/** What is served, and where. */
export interface MonitoringOptions {
  /** Services, relays, and all else with a `health()`, by names of your choice; all must be ready, and live. */
  readonly subjects: HealthSubjects
  /** Answers `/metrics`: the `metrics` of `createPrometheus()`, or an exporter's own handler. @default none: 404 */
  readonly metrics?: MetricsHandler
  /** 0 takes any free port; `address` says which. @default 9080 */
  readonly port?: number
  /**
   * Other than loopback where probes come from outside of the machine or pod: `0.0.0.0` in Kubernetes. Whoever reaches it can
   * read it: there is no data in it, and no password, but addresses of brokers. @default '127.0.0.1'
   */
  readonly host?: string
  /** Told of metrics that could not be collected, and of errors of the server. @default nothing is logged */
  readonly logger?: Logger
}

/** Any object: a subject may be an instance of a class. */
const subjectsRule: OptionRule = (value, path) => {
  const wrong = object(value, path)
  if (wrong !== undefined) return wrong
  const subjects = Object.entries(value as Readonly<Record<string, Readonly<Record<string, unknown>> | null>>)
  if (subjects.length === 0) return `${path} is empty; name what is to be asked`
  const bad = subjects.find(([, subject]) => typeof subject?.['health'] !== 'function')
  return bad === undefined ? undefined : `${path}.${bad[0]} must have a function health()`
}

const rules: Readonly<Record<keyof MonitoringOptions, OptionRule>> = {
  subjects: subjectsRule,
  metrics: callable,
  port: wholeNumber(0, 65_535),
  host: text,
  logger: object,
}

/** Throws a `ConfigurationError` that lists all problems. */
export function checkOptions(options: MonitoringOptions): void {
  refuseProblems('serveMonitoring()', optionProblems('', options, rules, ['subjects']))
}
