import { PrometheusExporter } from '@opentelemetry/exporter-prometheus'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import { serveMonitoring } from '@posthorn/monitoring'
import type { HealthSubject, Monitoring } from '@posthorn/monitoring'
import { ShopError } from '../shopError.js'
import { serviceNames } from './trace.js'
import type { ServiceName, Trace } from './trace.js'

/** Where `/metrics`, `/livez` and `/readyz` are served. */
export interface MonitoringAddress {
  readonly host: string
  /** Of the first service; the others have the ports after it. */
  readonly port: number
}

/** Every service has a server of its own, as if each were a process. */
export interface Monitored {
  providerOf(service: ServiceName): MeterProvider
  /** Listens for all services; rejects with `SHOP_PORT_TAKEN`. */
  readonly serve: Trace['serve']
  close(): Promise<void>
}

/** Nothing listens yet. */
export function createMonitored({ host, port }: MonitoringAddress): Monitored {
  const services = new Map(serviceNames.map((service) => [service, meterOf(service)]))
  const servers: Monitoring[] = []
  return {
    providerOf: (service) => services.get(service)!.provider,
    async serve(health) {
      for (const [index, service] of serviceNames.entries()) {
        const { exporter } = services.get(service)!
        try {
          const server = await serveMonitoring({
            subjects: { [service]: subject(service, health[service]) },
            metrics: (...args) => exporter.getMetricsRequestHandler(...args),
            host,
            port: port + index,
          })
          servers.push(server)
        } catch (error) {
          throw portTaken(`${host}:${port + index}`, error)
        }
      }
    },
    async close() {
      await Promise.all(servers.map((server) => server.close()))
      await Promise.all([...services.values()].map(({ provider }) => provider.shutdown()))
    },
  }
}

function meterOf(service: string): { readonly exporter: PrometheusExporter; readonly provider: MeterProvider } {
  const exporter = new PrometheusExporter({ preventServerStart: true })
  const resource = resourceFromAttributes({ 'service.name': service })
  return { exporter, provider: new MeterProvider({ resource, readers: [exporter] }) }
}

function subject(service: ServiceName, health: () => ReturnType<HealthSubject['health']> | undefined): HealthSubject {
  const reasons = [{ code: 'SHOP_NOT_BEGUN', where: service, what: 'It has not begun.', next: 'Wait.' }]
  return { health: () => health() ?? { ready: false, live: true, reasons } }
}

function portTaken(address: string, cause: unknown): ShopError {
  const message = `Metrics cannot be served at ${address}: ${(cause as Error).message}`
  return new ShopError('SHOP_PORT_TAKEN', message, { cause })
}
