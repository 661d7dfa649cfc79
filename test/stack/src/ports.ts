import { createServer } from 'node:net'

// Below the kernel's range for outgoing connections (32768 and up), so that no client takes the port of a broker that is
// down for a moment, and above what usual services use.
const first = 15_000
const last = 32_000

/** Picks loopback ports that are free now and not in `taken` (ports of instances that may be down at the moment). */
export const pickPorts = async (count: number, taken: ReadonlySet<number>): Promise<number[]> => {
  const picked = new Set<number>()
  for (let tries = 0; picked.size < count; tries++) {
    if (tries > 2000) throw new Error(`no ${count} free ports between ${first} and ${last} on 127.0.0.1`)
    const port = first + Math.floor(Math.random() * (last - first))
    if (!taken.has(port) && !picked.has(port) && (await isFree(port))) picked.add(port)
  }
  return [...picked]
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })
