import type { Contract } from '@posthorn/contracts'
import { createService, silentLogger, systemClock } from '@posthorn/core'
import type { Service, ServiceOptions, Transport } from '@posthorn/core'
import type { Subscription } from '@posthorn/core/adapter'
import type { ConformanceSetup, ConformanceTiming } from './conformanceSetup.js'

/** Something that a case lets happen when it wants to. */
export interface Gate {
  /** Resolves when the gate is open. */
  pass(): Promise<void>
  open(): void
}

/** What a case opens, and its end closes. */
export interface BenchUnits {
  transport(make?: () => Transport): Transport
  service(options?: Partial<ServiceOptions>): Service
  gate(): Gate
  /** Every subscription that was asked for. */
  readonly subscriptions: readonly Subscription[]
  /** Opens the gates, then stops the services, then closes the transports that are left. */
  close(): Promise<void>
}

/** Keeps what a case makes until its end; `publishes` is what its services declare. */
export function createUnits(
  { createTransport }: ConformanceSetup,
  { stopMs }: ConformanceTiming,
  publishes: readonly Contract[],
): BenchUnits {
  const services: Service[] = []
  const transports: Transport[] = []
  const subscriptions: Subscription[] = []
  const gates: Gate[] = []

  function transport(make = createTransport): Transport {
    const made = make()
    transports.push(made)
    return {
      ...made,
      subscribe(subscription, onDeliveries, options) {
        subscriptions.push(subscription)
        return made.subscribe(subscription, onDeliveries, options)
      },
    }
  }

  return {
    transport,
    subscriptions,
    service(options = {}) {
      const own = options.transport ?? transport()
      const made = createService({
        source: '/conformance',
        logger: silentLogger,
        publishes,
        ...options,
        transport: own,
      })
      services.push(made)
      return made
    },
    gate() {
      const gate = createGate()
      gates.push(gate)
      return gate
    },
    async close() {
      for (const gate of gates) gate.open()
      await Promise.allSettled(services.map((service) => service.stop({ deadlineMs: stopMs })))
      const deadline = systemClock.monotonic() + stopMs
      await Promise.allSettled(transports.map((made) => made.close(deadline)))
    },
  }
}

function createGate(): Gate {
  let open: () => void = () => {}
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { pass: () => opened, open: () => open() }
}
