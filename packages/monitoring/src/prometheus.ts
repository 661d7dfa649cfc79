/* The door for what needs `@opentelemetry/exporter-prometheus`. */
import { metrics as registry } from '@opentelemetry/api'
import type { MeterProvider as ApiMeterProvider } from '@opentelemetry/api'
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import { boolean, optionProblems, refuseProblems } from '@posthorn/core/adapter'
import type { MetricsHandler } from './monitoringOptions.js'

/** What `createPrometheus` may be told. */
export interface PrometheusOptions {
  /**
   * Registers the meter provider with `@opentelemetry/api`, so that `createOpenTelemetry()` and other libraries find it; what was
   * registered before stays. @default true
   */
  readonly register?: boolean
}

/** Metrics in the format of Prometheus, collected when somebody asks. */
export interface Prometheus {
  /** For `serveMonitoring`, or any server of `node:http`. */
  readonly metrics: MetricsHandler
  readonly meterProvider: ApiMeterProvider
  /** Whether measurements come here that name no provider: false when another provider was registered before. */
  readonly isRegistered: boolean
  /** Ends collecting. */
  close(): Promise<void>
}

/**
 * Makes a meter provider whose measurements `metrics` answers with, for a process that has no OpenTelemetry SDK of its own. With
 * one, give its `PrometheusExporter` as a reader to it, and the exporter's handler to `serveMonitoring`.
 */
export function createPrometheus(options: PrometheusOptions = {}): Prometheus {
  refuseProblems('createPrometheus()', optionProblems('', options, { register: boolean }))
  const exporter = new PrometheusExporter({ preventServerStart: true })
  const meterProvider = new MeterProvider({ readers: [exporter] })
  const isRegistered = options.register !== false && registry.setGlobalMeterProvider(meterProvider)
  return {
    metrics: (request, response) => exporter.getMetricsRequestHandler(request, response),
    meterProvider,
    isRegistered,
    async close() {
      if (isRegistered) registry.disable()
      await meterProvider.shutdown()
    },
  }
}
