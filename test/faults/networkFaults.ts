import type { FaultDirection, FaultProxy } from '@posthorn/testing'
import type { FaultContext, FaultKind } from './target.js'

/** Faults of the network between the processes and their servers, through proxies. */
export const networkFaults: Readonly<Record<string, FaultKind>> = {
  tcpReset: { minMs: 1_000, maxMs: 4_000, inject: reset },
  blackhole: { minMs: 3_000, maxMs: 9_000, inject: (context) => silenced(context, 'both') },
  lossToServer: { minMs: 2_000, maxMs: 8_000, inject: (context) => silenced(context, 'toServer') },
  lossToClient: { minMs: 2_000, maxMs: 8_000, inject: (context) => silenced(context, 'toClient') },
  slowLink: { minMs: 3_000, maxMs: 6_000, inject: slowed },
}

/** Bytes within a few hundred messages: resets fall into handshakes, frames and confirms alike. */
const maxResetBytes = 60_000
const resetCount = 4

function pick({ random, proxies, note }: FaultContext): readonly FaultProxy[] {
  const way = random.pick(proxies.ways)
  note(way)
  return proxies.of(way)
}

function heals(proxies: readonly FaultProxy[]): () => Promise<void> {
  return async () => proxies.forEach((proxy) => proxy.heal())
}

async function reset(context: FaultContext): Promise<() => Promise<void>> {
  const proxies = pick(context)
  const { random } = context
  for (const proxy of proxies) {
    for (let count = 0; count < resetCount; count += 1) {
      proxy.resetAfterBytes(random.between(0, maxResetBytes), random.pick(['toServer', 'toClient', 'both']))
    }
  }
  return heals(proxies)
}

async function silenced(context: FaultContext, direction: FaultDirection): Promise<() => Promise<void>> {
  const proxies = pick(context)
  for (const proxy of proxies) proxy.blackhole(direction)
  return heals(proxies)
}

async function slowed(context: FaultContext): Promise<() => Promise<void>> {
  const proxies = pick(context)
  for (const proxy of proxies)
    proxy.delay(context.random.between(50, 400), context.random.pick(['toServer', 'toClient', 'both']))
  return heals(proxies)
}
