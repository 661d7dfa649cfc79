import type { HandlerEntry } from '../src/consumer/handlerTable.js'
import type { InFlight } from '../src/consumer/inFlight.js'
import { anything } from './fixtures.js'

/** A delivery in the pipeline, named by its address; what no test asks for is left out. */
export function itemOf(name: string, more: Partial<InFlight> = {}): InFlight {
  const delivery = { body: null, headers: {}, contentType: '', address: name, complete() {}, release() {} }
  return {
    slot: -1,
    delivery,
    destination: 'orders',
    arrivedAt: 0,
    waitsSince: 0,
    admitted: false,
    envelope: undefined,
    entry: undefined,
    attempt: 0,
    firstFailedAt: undefined,
    laneKey: undefined,
    timer: undefined,
    settled: false,
    ...more,
  }
}

export const nameOf = (item: InFlight): string => item.delivery.address

/** A handler that nobody calls. */
export function entryOf(batch?: { readonly maxCount: number; readonly maxWaitMs: number }): HandlerEntry {
  return {
    registration: { contract: anything, batch, call: () => undefined },
    invoke: { call: () => undefined, outcomesOf: () => [] },
    validate: () => {},
  }
}
