import type { HandlerRegistration } from '@posthorn/core'
import type { Probe } from '../probes/probe.js'
import type { Bench } from './bench.js'
import type { Note } from './messages.js'

/** What all services of one group see together of keyed messages. */
export interface KeyedFlow {
  readonly handler: HandlerRegistration
  /** First deliveries in their order: redeliveries are allowed where a service stops or a broker hands work over. */
  readonly firsts: Probe<{ readonly data: Note }>
  /** Keys that two calls had in hand at once. */
  readonly overlaps: readonly string[]
}

/** A handler for several services of a group at once; each call takes a turn of the event loop. */
export function createKeyedFlow(bench: Bench): KeyedFlow {
  const firsts = bench.probe<{ readonly data: Note }>('first deliveries')
  const ids = new Set<string>()
  const running = new Set<string>()
  const overlaps: string[] = []
  const { handler } = bench.seen(bench.keyed, async ({ data, envelope }) => {
    const key = data.key ?? ''
    if (running.has(key)) overlaps.push(key)
    running.add(key)
    if (!ids.has(envelope.id)) firsts.record({ data })
    ids.add(envelope.id)
    await new Promise((resolve) => setImmediate(resolve))
    running.delete(key)
  })
  return { handler, firsts, overlaps }
}
