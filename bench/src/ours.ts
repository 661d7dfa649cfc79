import { createService, on, silentLogger } from '@posthorn/core'
import type { EventContract, Transport } from '@posthorn/core'
import { slidingWindow } from './measure.js'
import type { InProcessContender } from './measure.js'
import { makeOrder } from './orderEvent.js'
import type { Order } from './orderEvent.js'

/** What our contenders are made for. */
export interface OurSetUp {
  readonly createTransport: () => Transport
  readonly contract: EventContract<Order>
  /** Publishes under way at once. */
  readonly width: number
  /** @default 1_000 */
  readonly keys?: number
}

const quiet = { source: '/bench', logger: silentLogger }

/** One `publish()` per message, confirmed. */
export async function ourPublisher({
  createTransport,
  contract,
  width,
  keys = 1_000,
}: OurSetUp): Promise<InProcessContender> {
  const service = createService({ ...quiet, transport: createTransport(), publishes: [contract] })
  await service.start()
  return {
    name: `posthorn publish, window ${width}`,
    run: (messages) => slidingWindow(messages, width, (index) => service.publish(contract, makeOrder(index, keys))),
    close: () => service.stop(),
  }
}

/** Makes the group's queues or topics, so that what is published before it runs is kept for it. */
export async function declareGroup({ createTransport, contract }: OurSetUp, group: string): Promise<void> {
  const service = createService({ ...quiet, transport: createTransport() })
  service.consume(group, { handlers: [on(contract, () => {})] })
  await service.start()
  await service.stop()
}
