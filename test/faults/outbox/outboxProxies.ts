import { createFaultProxy } from '@posthorn/testing'
import type { FaultProxy, FaultProxyOptions } from '@posthorn/testing'
import type { Proxies } from '../proxies.js'
import { createCommitCutter } from './commitCutter.js'
import type { CommitCutter } from './commitCutter.js'

/** Who reaches what through which proxy. */
const ways = [
  'writersToDatabase',
  'consumersToDatabase',
  'relaysToDatabase',
  'consumersToBroker',
  'relaysToBroker',
] as const
export type OutboxWay = (typeof ways)[number]

/** Proxies of a run with an outbox. */
export interface OutboxProxies extends Proxies {
  urlOf(way: OutboxWay): string
  /** Of those whose COMMITs matter. */
  cutterOf(who: 'writers' | 'consumers'): CommitCutter
}

export async function createOutboxProxies(broker: string, database: string): Promise<OutboxProxies> {
  const [writers, consumers] = [createCommitCutter(), createCommitCutter()]
  const options: Readonly<Record<OutboxWay, FaultProxyOptions>> = {
    writersToDatabase: { target: database, inspect: writers.inspect },
    consumersToDatabase: { target: database, inspect: consumers.inspect },
    relaysToDatabase: { target: database },
    consumersToBroker: { target: broker },
    relaysToBroker: { target: broker },
  }
  const opened = await Promise.all(ways.map(async (way) => [way, await createFaultProxy(options[way])] as const))
  const proxies = new Map<string, FaultProxy>(opened)
  return {
    ways: [...ways, 'all'],
    of: (way) => (way === 'all' ? [...proxies.values()] : [proxies.get(way)!]),
    urlOf: (way) => proxies.get(way)!.url,
    cutterOf: (who) => (who === 'writers' ? writers : consumers),
    close: async () => void (await Promise.all([...proxies.values()].map((proxy) => proxy.close()))),
  }
}
