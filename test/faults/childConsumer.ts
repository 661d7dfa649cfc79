import { setTimeout as sleep } from 'node:timers/promises'
import { on } from '@posthorn/core'
import type { Handler, Service } from '@posthorn/core'
import type { Notes } from './actor.js'
import { bomb, fateOf, flowOf, flows } from './traffic.js'
import type { BombData, FlowKey, TrafficData } from './traffic.js'

/** How long a handler of the unordered flows works: long enough that a killed process always holds some. */
const workMs = 20

/** Consumes flows, as the groups of a real service would. */
export function addConsumers(service: Service, keys: readonly FlowKey[], { ledger, now }: Notes): void {
  const handle: Handler<TrafficData> = async ({ envelope: { id }, data }, { attempt }) => {
    await ledger.write(`h ${id} ${attempt} ${data.key} ${data.seq} ${now()}`)
    if (!flows[flowOf(id)].ordered) await sleep(workMs)
    const fate = fateOf(id)
    if (fate === 'failsAlways') throw new Error('this one never works')
    if (fate === 'failsOnce' && attempt === 1) throw new Error('this one works the second time')
    // Written before the message can be acknowledged.
    await ledger.write(`d ${id} ${now()}`)
  }
  const suffer: Handler<BombData> = async ({ envelope: { id }, data }, { attempt }) => {
    await ledger.write(`h ${id} ${attempt} ${data.key} ${data.seq} ${now()}`)
    if (data.harm === 'abort') process.abort()
    if (now() < data.until) await new Promise(() => {})
    await ledger.write(`d ${id} ${now()}`)
  }
  for (const key of keys) {
    const { contract, group, ordered, delaysMs, maxCrashes } = flows[key]
    service.consume(group, {
      handlers: [contract === bomb ? on(bomb, suffer) : on(contract, handle)],
      retry: { delaysMs },
      concurrency: 32,
      maxInFlight: 100,
      maxCrashes,
      ...(ordered ? { order: { by: 'partitionKey', onRetry: 'holdKey' } } : {}),
    })
  }
}
