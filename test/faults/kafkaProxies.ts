import { createFaultProxy } from '@posthorn/testing'
import type { FaultProxy } from '@posthorn/testing'
import type { Role } from './childLink.js'
import { createKafkaRelay } from './kafkaRelay.js'
import type { KafkaRelay, Loss } from './kafkaRelay.js'
import { directWays } from './proxies.js'
import type { Proxies } from './proxies.js'

/** Proxies to Kafka. A client learns the brokers' addresses from their answers: it is told those of its own proxies. */
export interface KafkaProxies extends Proxies {
  /** Brokers do what these requests of a role ask for, and their answers get lost; undefined ends that. */
  lose(role: Role | 'all', requests: ReadonlySet<number> | undefined, loss?: Loss): void
}

interface Path {
  readonly brokerPort: number
  readonly proxy: FaultProxy
  readonly relay: KafkaRelay
}

export async function createKafkaProxies(brokers: readonly string[]): Promise<KafkaProxies> {
  const [publishing, consuming] = await Promise.all([openPaths(brokers), openPaths(brokers)])
  const all = [...publishing, ...consuming]
  const pathsOf = (way: string): readonly Path[] => (way === 'all' ? all : way === 'publisher' ? publishing : consuming)
  return {
    ways: directWays,
    of: (way) => pathsOf(way).map(({ proxy }) => proxy),
    lose(role, requests, loss) {
      for (const { relay } of pathsOf(role)) relay.lose(requests, loss)
    },
    close: async () => void (await Promise.all(all.flatMap(({ proxy, relay }) => [proxy.close(), relay.close()]))),
  }
}

/** Of one role, to each broker: first what breaks the bytes, then what understands them. */
async function openPaths(brokers: readonly string[]): Promise<Path[]> {
  const paths = await Promise.all(
    brokers.map(async (broker) => {
      const brokerPort = Number(broker.slice(broker.lastIndexOf(':') + 1))
      const relay = await createKafkaRelay(brokerPort)
      return { brokerPort, relay, proxy: await createFaultProxy({ target: relay.address }) }
    }),
  )
  const ports = new Map(paths.map(({ brokerPort, proxy }) => [brokerPort, proxy.port]))
  for (const { relay } of paths) relay.advertise(ports)
  return paths
}
