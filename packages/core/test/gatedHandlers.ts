import { on } from '../src/index.js'
import type { ConsumerOptions } from '../src/index.js'
import { createGate } from './fakeTransport.js'
import type { Gate } from './fakeTransport.js'
import { orderPlaced } from './fixtures.js'

/** Handlers that wait until a test lets them go, by order id. */
export function gatedHandlers(): { options: ConsumerOptions; gates: Map<string, Gate>; started: string[] } {
  const gates = new Map<string, Gate>()
  const started: string[] = []
  const options: ConsumerOptions = {
    handlers: [
      on(orderPlaced, ({ envelope }) => {
        const gate = createGate()
        gates.set(envelope.id, gate)
        started.push(envelope.id)
        return gate.promise
      }),
    ],
  }
  return { options, gates, started }
}
