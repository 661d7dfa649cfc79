import { createMemory, createMemoryBroker } from '@posthorn/memory'
import { conformanceCases } from '@posthorn/testing'
import { describe, test } from 'vitest'

const broker = createMemoryBroker()
const unreachable = createMemoryBroker()
unreachable.down()

describe('memory', () => {
  const cases = conformanceCases({
    // A new transport at every call, all to the same broker.
    createTransport: () => createMemory({ broker }),
    createUnreachableTransport: () => createMemory({ broker: unreachable }),
    // What it lacks must be refused; the suite looks.
    capabilities: {
      routed: true,
      ordered: true,
      countsRedeliveries: true,
      maxHoldMs: undefined,
      maxBodyBytes: 128 * 1024 * 1024,
      binaryPrefix: 'ce_',
    },
    timing: { rungMs: 20, waitMs: 5_000, stopMs: 200, unreachableMs: 100 },
  })
  for (const { promise, title, run } of cases) test.concurrent(`${promise}: ${title}`, run)
})
