import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createLog, silentLogger, systemClock } from '@posthorn/core/adapter'
import type { Logger } from '@posthorn/core/adapter'
import { checkOptions } from './monitoringOptions.js'
import type { MetricsHandler, MonitoringOptions } from './monitoringOptions.js'
import { liveness, readiness } from './probes.js'

/** A server of health and metrics that runs. */
export interface Monitoring extends AsyncDisposable {
  /** Host and port: `127.0.0.1:9080`. */
  readonly address: string
  /** Ends the server, within a second whatever clients do; idempotent. Call it when all that it tells of has stopped. */
  close(): Promise<void>
}

/** Longer than any probe asks; who sends no request must not hold a connection for ever. */
const requestTimeoutMs = 5_000
/** What is being answered gets so long. */
const closeMs = 1_000

/**
 * Serves `/livez`, `/readyz` and, with `metrics`, `/metrics` until it is closed: also while what it tells of starts, waits for
 * a broker, or stops. Rejects when the port is taken; throws a `ConfigurationError` that lists all problems before.
 */
export async function serveMonitoring(options: MonitoringOptions): Promise<Monitoring> {
  checkOptions(options)
  const { host = '127.0.0.1', port = 9080 } = options
  const logger = createLog(options.logger ?? silentLogger, systemClock)
  const server = createServer({ requestTimeout: requestTimeoutMs }, (request, response) =>
    answer(request, response, { ...options, logger }),
  )
  server.listen(port, host)
  await once(server, 'listening')
  server.on('error', (error) => logger.warn({ event: 'monitoring.server', err: error }, 'The server of health failed'))
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => (closing ??= closed(server))
  return { address: addressOf(server), close, [Symbol.asyncDispose]: close }
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = systemClock.schedule(closeMs, () => server.closeAllConnections())
    server.close(() => {
      timer.cancel()
      resolve()
    })
    server.closeIdleConnections()
  })
}

function addressOf(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`
}

type Served = Pick<MonitoringOptions, 'subjects' | 'metrics'> & { readonly logger: Logger }

function answer(request: IncomingMessage, response: ServerResponse, { subjects, metrics, logger }: Served): void {
  const { method, url } = request
  const path = url?.split('?', 1)[0]
  const send = (status: number, body: unknown): void => reply(response, status, body)
  if (path !== '/livez' && path !== '/readyz' && (path !== '/metrics' || metrics === undefined)) {
    return send(404, { error: `There are /livez and /readyz${metrics === undefined ? '' : ' and /metrics'}` })
  }
  if (method !== 'GET' && method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD')
    return send(405, { error: 'Only GET and HEAD' })
  }
  if (path === '/metrics') return collect(request, response, { metrics: metrics!, logger })
  const { status, body } = path === '/livez' ? liveness(subjects) : readiness(subjects)
  send(status, body)
}

/** Whatever the handler is: one that is asynchronous may reject. */

function collect(
  request: IncomingMessage,
  response: ServerResponse,
  { metrics, logger }: { readonly metrics: MetricsHandler; readonly logger: Logger },
): void {
  response.setHeader('cache-control', 'no-store')
  const failed = (error: unknown): void => {
    logger.warn({ event: 'monitoring.metrics', err: error }, 'The metrics could not be collected')
    if (response.headersSent) response.destroy()
    else reply(response, 500, { error: 'The metrics could not be collected' })
  }
  try {
    metrics(request, response)?.then(undefined, failed)
  } catch (error) {
    failed(error)
  }
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  const text = `${jsonOf(body)}\n`
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  })
  response.end(text)
}

/** The status says what matters: facts of somebody's own that are no JSON must end no process. */
function jsonOf(body: unknown): string {
  try {
    return JSON.stringify(body, (_name, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
  } catch {
    return JSON.stringify({ error: 'A health() gave facts that cannot be written as JSON' })
  }
}
