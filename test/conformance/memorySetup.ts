import { createMemory, createMemoryBroker } from '@posthorn/memory'
import type { ConformanceSetup } from '@posthorn/testing'

/** All transports of a run on one broker, and another broker that is down. */
export function memorySetup(): ConformanceSetup {
  const broker = createMemoryBroker()
  const down = createMemoryBroker()
  down.down()
  return {
    createTransport: () => createMemory({ broker }),
    createUnreachableTransport: () => createMemory({ broker: down }),
    capabilities: createMemory({ broker }).capabilities,
    timing: { rungMs: 20, waitMs: 5_000, stopMs: 200, unreachableMs: 100 },
  }
}
