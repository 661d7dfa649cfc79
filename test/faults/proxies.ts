import { createFaultProxy } from '@posthorn/testing'
import type { FaultProxy } from '@posthorn/testing'
import type { Role } from './childLink.js'

/** Proxies between the processes and their servers, by the ways on which something can break. */
export interface Proxies {
  /** Their names; `all` is one of them. */
  readonly ways: readonly string[]
  of(way: string): readonly FaultProxy[]
  close(): Promise<void>
}

/** Between the processes of each role and each server; a reader counts as a consumer. */
export const directWays = ['publisher', 'consumer', 'all'] as const

/** The way of a process that talks to its broker directly. */
export function directWay(role: Role): (typeof directWays)[number] {
  return role === 'publisher' ? 'publisher' : 'consumer'
}

export async function createProxies(addresses: readonly string[]): Promise<Proxies> {
  const open = (): Promise<FaultProxy[]> => Promise.all(addresses.map((target) => createFaultProxy({ target })))
  const [publishing, consuming] = await Promise.all([open(), open()])
  const all = [...publishing, ...consuming]
  return {
    ways: directWays,
    of: (way) => (way === 'all' ? all : way === 'publisher' ? publishing : consuming),
    close: async () => void (await Promise.all(all.map((proxy) => proxy.close()))),
  }
}
