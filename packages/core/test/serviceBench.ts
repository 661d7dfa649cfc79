import { createVirtualClock } from '@posthorn/memory'
import type { VirtualClock } from '@posthorn/memory'
import { ConnectionError, createService, on } from '../src/index.js'
import type { ConsumerOptions, Service, ServiceOptions } from '../src/index.js'
import { createFakeTransport } from './fakeTransport.js'
import type { FakeTransport } from './fakeTransport.js'
import { createRecordingLogger, orderPlaced } from './fixtures.js'

export interface Bench {
  readonly service: Service
  readonly clock: VirtualClock
  readonly transport: FakeTransport
}

export function createBench(options: Partial<ServiceOptions> = {}): Bench {
  const clock = createVirtualClock()
  const transport = (options.transport as FakeTransport | undefined) ?? createFakeTransport()
  const service = createService({ source: '/test', clock, logger: createRecordingLogger(), ...options, transport })
  return { service, clock, transport }
}

export const handlers: ConsumerOptions = { handlers: [on(orderPlaced, () => {})] }
export const unreachable = (): ConnectionError =>
  new ConnectionError({ code: 'POSTHORN_UNREACHABLE', message: 'no broker' })
