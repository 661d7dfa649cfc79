import { PublishError } from '@posthorn/core'
import type { Service } from '@posthorn/core'
import type { LedgerWriter } from './ledgerFile.js'
import { createPace } from './pace.js'
import type { Publishing } from './pace.js'
import { flowAt, flows, idOf } from './traffic.js'

/** A publish of a run ends within this time, in milliseconds. */
export const publishDeadlineMs = 5_000
/** The window of a publisher, in messages. */
export const maxUnconfirmed = 500

export interface PublishingOptions {
  readonly name: string
  readonly rate: number
  readonly ledger: LedgerWriter
  readonly now: () => number
}

/** More than the window, so that some publishes wait for a place in it. */
const maxOpen = 700
const keyCount = 24

export function createPublishing(service: Service, { name, rate, ledger, now }: PublishingOptions): Publishing {
  const seqs = new Map<string, number>()
  let index = 0

  async function publish(): Promise<void> {
    const flow = flowAt(index)
    const id = idOf(flow, name, index)
    const key = `${name}.${flow}${index % keyCount}`
    const seq = (seqs.get(key) ?? 0) + 1
    seqs.set(key, seq)
    index += 1
    // Written before a byte of it can leave. All of one turn wait for the same write and go on in their order.
    await ledger.write(`a ${id} ${now()}`)
    try {
      const { routed } = await service.publish(flows[flow].contract, { key, seq }, { id })
      void ledger.write(`k ${id} ${routed === false ? 0 : 1} ${now()}`)
    } catch (error) {
      if (!(error instanceof PublishError)) throw error
      void ledger.write(`f ${id} ${error.outcome} ${error.code} ${now()}`)
    }
  }

  return createPace({ rate, maxOpen, work: publish })
}
