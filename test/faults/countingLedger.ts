import { createService, on } from '@posthorn/core'
import type { EventContract, Logger, Service, Transport } from '@posthorn/core'

/** What a run knows about every message: checked when everything is over. */
export interface Ledger {
  readonly confirmed: Set<string>
  readonly unknown: Set<string>
  readonly notSent: Set<string>
  readonly handled: Map<string, number>
  readonly deadLettered: Set<string>
}

export function createLedger(): Ledger {
  return {
    confirmed: new Set(),
    unknown: new Set(),
    notSent: new Set(),
    handled: new Map(),
    deadLettered: new Set(),
  }
}

/** Confirmed messages that ended nowhere: must be none. */
export function lost(ledger: Ledger): string[] {
  return [...ledger.confirmed].filter((id) => !ledger.handled.has(id) && !ledger.deadLettered.has(id))
}

/** Messages that appeared although their publish said that they never would: must be none. */
export function ghosts(ledger: Ledger): string[] {
  return [...ledger.notSent].filter((id) => ledger.handled.has(id) || ledger.deadLettered.has(id))
}

/** What one run is made of. */
export interface LedgerRun {
  readonly ledger: Ledger
  readonly contract: EventContract<{ readonly orderId: string }>
  readonly createTransport: () => Transport
  readonly logger: Logger
}

/** A service that publishes and notes what it was told of each message. */
export function publishingService({ createTransport, contract, logger }: LedgerRun): Service {
  return createService({ source: '/faults/publisher', transport: createTransport(), publishes: [contract], logger })
}

/** A service that handles; every hundredth message fails once, every thousandth always. */
export function consumingService({ ledger, createTransport, contract, logger }: LedgerRun): Service {
  const service = createService({ source: '/faults/consumer', transport: createTransport(), logger })
  service.consume('ledger', {
    handlers: [
      on(contract, ({ envelope, data }, { attempt }) => {
        const index = Number(data.orderId.slice(data.orderId.lastIndexOf('-') + 1))
        if (index % 1000 === 999) throw new Error('this one never works')
        if (index % 100 === 50 && attempt === 1) throw new Error('this one works the second time')
        ledger.handled.set(envelope.id, (ledger.handled.get(envelope.id) ?? 0) + 1)
        return Promise.resolve()
      }),
    ],
    retry: { delaysMs: [200, 500] },
    concurrency: 64,
    maxInFlight: 256,
  })
  service.readDeadLetters({ destination: contract.destination, group: 'ledger' }, ({ envelope }) => {
    if (envelope !== undefined) ledger.deadLettered.add(envelope.id)
  })
  return service
}

/** Publishes `count` messages, a few hundred at a time, and notes every outcome. */
export async function publishAll(
  { ledger, contract }: LedgerRun,
  service: Service,
  options: { readonly count: number; readonly onEach: (settled: number) => void },
): Promise<void> {
  let next = 0
  let settled = 0
  const worker = async (): Promise<void> => {
    while (next < options.count) {
      const id = `order-${next++}`
      try {
        await service.publish(contract, { orderId: id }, { id, deadlineMs: 60_000 })
        ledger.confirmed.add(id)
      } catch (error) {
        const outcome = (error as { outcome?: unknown }).outcome
        if (outcome !== 'unknown' && outcome !== 'notSent') throw error
        ledger[outcome].add(id)
      }
      options.onEach(++settled)
    }
  }
  await Promise.all(Array.from({ length: 300 }, worker))
}

/** Resolves when every confirmed message has ended, or when nothing has moved for `stallMs`. */
export async function drained(ledger: Ledger, stallMs: number): Promise<void> {
  let before = -1
  let since = performance.now()
  while (lost(ledger).length > 0) {
    const now = ledger.handled.size + ledger.deadLettered.size
    if (now !== before) {
      before = now
      since = performance.now()
    } else if (performance.now() - since > stallMs) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
