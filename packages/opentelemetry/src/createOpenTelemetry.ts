import { context } from '@opentelemetry/api'
import type { Telemetry, TraceHeaders } from '@posthorn/core/adapter'
import { createNames } from './boundedNames.js'
import { createInstruments } from './instruments.js'
import { isActive } from './observation.js'
import { observedProcess } from './observedProcess.js'
import { observedTransport } from './observedTransport.js'
import { createOpenTelemetryMetrics } from './openTelemetryMetrics.js'
import { settingsOf } from './options.js'
import type { OpenTelemetryOptions } from './options.js'
import { createProviders } from './providers.js'
import { createRoutes } from './routes.js'
import { traceHeadersOf } from './traceContext.js'
import { quietly } from './quietly.js'

/**
 * Makes traces and metrics by the messaging conventions of OpenTelemetry, version 1.44, for one service or several:
 * `createService({ …, telemetry: createOpenTelemetry() })`. Without an SDK it does nothing. Throws a `ConfigurationError`.
 */
export function createOpenTelemetry(options: OpenTelemetryOptions = {}): Telemetry {
  const settings = settingsOf(options)
  const providers = createProviders(settings)
  const names = createNames(settings.maxNameCount)
  const metrics = createOpenTelemetryMetrics(providers, {
    'posthorn.service': names.services,
    'messaging.consumer.group.name': names.groups,
    'messaging.destination.name': names.destinations,
    'error.type': names.errors,
  })
  const instruments = createInstruments(metrics)

  return {
    get isActive() {
      return isActive(providers)
    },
    captureTrace: () => (isActive(providers) ? quietly(activeHeaders) : undefined) ?? noTrace,
    observe(transport) {
      const routes = createRoutes(transport, names, instruments)
      const { system } = transport
      return observedTransport(transport, {
        system,
        settings,
        providers,
        instruments,
        routes,
        errorNames: names.errors,
      })
    },
    process: observedProcess,
    metrics,
  }
}

const noTrace = Object.freeze({})

const activeHeaders = (): TraceHeaders | undefined => traceHeadersOf(context.active())
