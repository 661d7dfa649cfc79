import { createService, silentLogger } from '@posthorn/core'
import type { Service, ServiceOptions } from '@posthorn/core'
import { createMemory, createMemoryBroker } from '@posthorn/memory'
import type { MemoryBroker } from '@posthorn/memory'
import { afterEach } from 'vitest'
import { serveMonitoring } from '../src/index.js'
import type { Monitoring, MonitoringOptions } from '../src/index.js'

const open: Monitoring[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()))
})

/** A server on any free port of loopback, closed after the test. */
export async function served(options: MonitoringOptions): Promise<Monitoring> {
  const monitoring = await serveMonitoring({ port: 0, ...options })
  open.push(monitoring)
  return monitoring
}

/** A service on a broker of its own, not started. */
export function createScene(options: Partial<ServiceOptions> = {}): { service: Service; broker: MemoryBroker } {
  const broker = createMemoryBroker()
  const transport = createMemory({ broker })
  return { service: createService({ source: '/test', transport, logger: silentLogger, ...options }), broker }
}

/** What an answer is. */
export interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
}

export async function get({ address }: Pick<Monitoring, 'address'>, path: string): Promise<Answer> {
  const response = await fetch(`http://${address}${path}`)
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}
