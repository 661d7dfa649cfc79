import type { Service } from '@posthorn/core'
import type { Notes } from './actor.js'
import { flows, idOf, markHeader } from './traffic.js'
import type { FlowKey } from './traffic.js'

/** Reads the dead letters of flows. */
export function addReaders(service: Service, keys: readonly FlowKey[], { ledger, now }: Notes): void {
  for (const { contract, group } of keys.map((key) => flows[key])) {
    service.readDeadLetters({ destination: contract.destination, group }, ({ envelope, headers, reason, attempts }) => {
      // Whoever publishes what cannot be read says so beside it; otherwise nobody did.
      const id = headers[markHeader] ?? envelope?.id ?? idOf('w', 'unreadable', 0)
      return ledger.write(`z ${id} ${reason} ${attempts ?? 0} ${now()}`)
    })
  }
}
