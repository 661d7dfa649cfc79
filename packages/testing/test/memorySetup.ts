import type { Transport } from '@posthorn/core/adapter'
import { createMemory, createMemoryBroker } from '@posthorn/memory'
import type { ConformanceSetup, ConformanceTiming } from '../src/conformance/conformanceSetup.js'

/** The suite on memory, each transport as `decorate` makes it. */
export function memorySetup(
  decorate: (transport: Transport) => Transport,
  timing: Partial<ConformanceTiming>,
): ConformanceSetup {
  const broker = createMemoryBroker()
  const down = createMemoryBroker()
  down.down()
  return {
    createTransport: () => decorate(createMemory({ broker })),
    createUnreachableTransport: () => decorate(createMemory({ broker: down })),
    capabilities: createMemory({ broker }).capabilities,
    timing: { rungMs: 10, stopMs: 100, unreachableMs: 50, ...timing },
  }
}
