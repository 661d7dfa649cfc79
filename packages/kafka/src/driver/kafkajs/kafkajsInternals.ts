import type { Kafka } from 'kafkajs'

/*
 * The one place that reaches past the interface of kafkajs 2.2: its objects as far as we use them. Each reach is checked
 * when it is made, and who asks gets undefined where kafkajs looks different.
 */

/** A request to a broker: what `Connection.send` of kafkajs takes. */
export interface ProtocolRequest {
  readonly request: {
    readonly apiKey: number
    readonly apiVersion: number
    readonly encode: () => Promise<unknown>
  }
}

export interface ConnectionPool {
  send: (this: ConnectionPool, request: ProtocolRequest) => Promise<unknown>
}

export interface Broker {
  readonly connectionPool: ConnectionPool
  produce: (this: Broker, request: ProduceArguments) => Promise<unknown>
}

export interface ProduceArguments {
  readonly topicData?: readonly {
    readonly partitions?: readonly { readonly messages?: readonly { readonly value?: unknown }[] }[]
  }[]
}

export interface Cluster {
  isolationLevel?: number
  findBroker: (this: Cluster, wanted: { readonly nodeId: string }) => Promise<unknown>
}

/** The connections of a pool, or what is in their place. */
export function connectionsOf(pool: unknown): readonly unknown[] {
  const connections = (pool as { readonly pool?: unknown } | null)?.pool
  return Array.isArray(connections) ? connections : []
}

/** The queue of requests of a connection, or what is in its place. */
export function queueOf(connection: unknown): unknown {
  return (connection as { readonly requestQueue?: unknown } | null)?.requestQueue
}

/** Calls back with every pool of connections that the cluster makes, before one of them is opened. */
export function watchPools(cluster: Cluster, onPool: (pool: unknown) => void): void {
  const builder = (cluster as { readonly connectionPoolBuilder?: unknown }).connectionPoolBuilder
  if (!hasMethods(builder, 'build')) return
  const build = builder['build'] as (wanted?: object) => Promise<unknown>
  builder['build'] = async (wanted?: object): Promise<unknown> => {
    const pool = await build.call(builder, wanted)
    onPool(pool)
    return pool
  }
}

type CreateCluster = (options: object) => unknown

const createClusterName = 'private:Kafka:createCluster'

/** Calls back with every cluster that this client makes from now on, before it is used. False where that cannot be. */
export function watchClusters(kafka: Kafka, onCluster: (cluster: Cluster) => void): boolean {
  const symbol = Object.getOwnPropertySymbols(kafka).find(({ description }) => description === createClusterName)
  if (symbol === undefined) return false
  const holder = kafka as unknown as Record<symbol, unknown>
  const create = holder[symbol]
  if (typeof create !== 'function') return false
  holder[symbol] = (options: object): unknown => {
    const cluster = (create as CreateCluster).call(kafka, options)
    if (isCluster(cluster)) onCluster(cluster)
    return cluster
  }
  return true
}

function isCluster(value: unknown): value is Cluster {
  return hasMethods(value, 'findBroker')
}

export function isBroker(value: unknown): value is Broker {
  return hasMethods(value, 'produce') && hasMethods((value as unknown as Broker).connectionPool, 'send')
}

function hasMethods(value: unknown, ...names: readonly string[]): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  return names.every((name) => typeof (value as Record<string, unknown>)[name] === 'function')
}
