import { createMemoryStore } from '../../src/index.js'
import type { MemoryStore, MemoryTransaction } from '../../src/index.js'
import type { StoreSetup, StoreTiming } from '../../src/conformance/index.js'

/** The suite on the memory store, as `decorate` makes it. */
export function memorySetup(
  decorate: (store: MemoryStore) => MemoryStore = (store) => store,
  timing: Partial<StoreTiming> = {},
): StoreSetup<MemoryTransaction> {
  return {
    timing: { leaseMs: 60, ...timing },
    async open({ firstId }) {
      const store = decorate(createMemoryStore({ partitionCount: 16, ...(firstId === undefined ? {} : { firstId }) }))
      return {
        writer: store,
        relays: store,
        inbox: store,
        async begin() {
          const tx = store.begin()
          return { tx, commit: () => tx.commit(), rollback: () => tx.rollback() }
        },
        outside: [
          { name: 'the store', handle: store as unknown as MemoryTransaction },
          { name: 'nothing', handle: undefined as unknown as MemoryTransaction },
        ],
        close: () => store.close(),
      }
    },
  }
}
