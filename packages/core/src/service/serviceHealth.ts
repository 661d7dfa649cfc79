import type { ConsumerHealth } from '../consumer/consumerHealth.js'
import { healthFrom, healthReason, joinHealth } from '../health.js'
import type { Health } from '../health.js'
import type { TransportHealth } from '../ports.js'
import type { PublisherHealth } from '../publisher/publisher.js'
import type { Lifecycle, ServiceState } from './lifecycle.js'
import type { PartHealth } from './parts.js'

/** Whether a service works, and why not: ready and live when everything in it is, with the reasons of all. */
export interface ServiceHealth extends Health {
  readonly state: ServiceState
  readonly transport: TransportHealth
  readonly publisher: PublisherHealth
  readonly consumers: readonly ConsumerHealth[]
  /** What each attached part tells of itself, by its name. */
  readonly parts: Readonly<Record<string, PartHealth>>
}

type Told = Pick<ServiceHealth, 'transport' | 'publisher' | 'consumers' | 'parts'>

/** Puts together what everything in the service tells. */
export function serviceHealth({ state, startFailed }: Lifecycle, told: Told): ServiceHealth {
  const { transport, publisher, consumers, parts } = told
  const own = startFailed ? failed : state === 'running' ? undefined : stateReasons[state]
  const reasons = own === undefined ? [] : [healthReason({ where: 'service', ...own })]
  const joined = joinHealth([healthFrom(reasons), transport, publisher, ...consumers, ...Object.values(parts)])
  return { state, ...joined, transport, publisher, consumers, parts }
}

const failed = { code: 'startFailed', what: 'Its start failed' } as const
const stateReasons = {
  idle: { code: 'notStarted', what: 'It has not started' },
  starting: { code: 'starting', what: 'It connects, and subscribes' },
  stopping: { code: 'stopping', what: 'It takes nothing new; what is under way ends' },
  stopped: { code: 'stopped', what: 'It has stopped' },
} as const
