import type { Health, Telemetry } from '@posthorn/core'

/** Watches a run of the demo. */
export interface Trace {
  /** What one service is given. */
  telemetryOf(service: ServiceName): Telemetry
  /** Runs work as a request would be run: under a span of its own, from which everything else goes on. */
  underSpan<Result>(name: string, work: () => Promise<Result>): Promise<Result>
  /** Called once, before the services start, with how to ask each how it is. */
  serve(health: Readonly<Record<ServiceName, () => Health | undefined>>): Promise<void>
}

/** Every service of the demo; where each has a port of its own, they are in this order. */
export const serviceNames = ['users', 'orders', 'payments', 'relay', 'auditor'] as const

export type ServiceName = (typeof serviceNames)[number]
