import { createService, on, silentLogger } from '@posthorn/core'
import type { EventContract } from '@posthorn/core'
import { createMemory } from '@posthorn/memory'
import { createBareWork } from './bareWork.js'
import { slidingWindow } from './measure.js'
import type { Contender, Operation } from './measure.js'
import { makeOrder, orderContract } from './orderEvent.js'
import type { Order } from './orderEvent.js'

const width = 256

/** The operations of `npm run bench -- memory`; the budgets are those of the project's cost table. */
export const memoryOperations: readonly Operation[] = [
  {
    operation: 'publish-to-handled',
    against: 'validate, stringify, parse, validate by hand',
    budget: { cpuRatio: 1.8 },
    open: async () => ({ ours: await openService({}), bare: bareLoop() }),
  },
  {
    operation: 'publish-to-handled-200-contracts',
    against: 'ours with one contract',
    budget: { cpuRatio: 1.25 },
    open: async () => ({ ours: await openService({ contracts: 200 }), bare: await openService({}) }),
  },
  {
    operation: 'publish-to-handled-1000-keys-ordered',
    against: 'ours with one key, ordered',
    budget: { cpuRatio: 1.25 },
    open: async () => ({
      ours: await openService({ ordered: true, keys: 1000 }),
      bare: await openService({ ordered: true }),
    }),
  },
]

function bareLoop(): Contender {
  const work = createBareWork()
  return {
    name: 'by hand',
    run(messages) {
      for (let index = 0; index < messages; index += 1) work.decode(work.encode(makeOrder(index)))
      return Promise.resolve()
    },
    close: () => Promise.resolve(),
  }
}

interface Variant {
  readonly contracts?: number
  readonly keys?: number
  readonly ordered?: boolean
}

async function openService({ contracts: count = 1, keys = 1, ordered = false }: Variant): Promise<Contender> {
  const contracts: EventContract<Order>[] = Array.from({ length: count }, (_, index) =>
    orderContract('orders', { version: index + 1, keyed: ordered }),
  )
  const service = createService({ source: '/bench', transport: createMemory(), logger: silentLogger })
  let handled = 0
  let wanted = Infinity
  let done: () => void = () => {}
  const handler = (): Promise<void> => {
    handled += 1
    if (handled === wanted) done()
    return Promise.resolve()
  }
  service.consume('bench', {
    handlers: contracts.map((contract) => on(contract, handler)),
    // Above the publisher's window, so that consuming keeps up and no backlog is measured.
    maxInFlight: 2 * width,
    ...(ordered ? { order: { by: 'partitionKey' } } : {}),
  })
  await service.start()
  return {
    name: `posthorn, contracts ${count}, keys ${keys}${ordered ? ', ordered' : ''}`,
    async run(messages) {
      handled = 0
      wanted = messages
      const all = new Promise<void>((resolve) => (done = resolve))
      await slidingWindow(messages, width, (index) =>
        service.publish(contracts[index % count]!, makeOrder(index, keys)),
      )
      await all
    },
    close: () => service.stop(),
  }
}
