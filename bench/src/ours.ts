import { createService, on, silentLogger } from '@posthorn/core'
import type { ConsumerOptions, EventContract, Service, Transport } from '@posthorn/core'
import { slidingWindow } from './measure.js'
import type { Contender } from './measure.js'
import { makeOrder } from './orderEvent.js'
import type { Order } from './orderEvent.js'

/** What our contenders are made for. */
export interface OurSetUp {
  readonly createTransport: () => Transport
  readonly contract: EventContract<Order>
  /** Publishes under way at once. */
  readonly width: number
  readonly consumer?: Partial<ConsumerOptions>
}

const quiet = { source: '/bench', logger: silentLogger }

/** One `publish()` per message, confirmed. */
export async function ourPublisher({ createTransport, contract, width }: OurSetUp): Promise<Contender> {
  const service = createService({ ...quiet, transport: createTransport(), publishes: [contract] })
  await service.start()
  return {
    name: `posthorn publish, window ${width}`,
    run: (messages) => slidingWindow(messages, width, (index) => service.publish(contract, makeOrder(index, 1000))),
    close: () => service.stop(),
  }
}

/** Consumes what `prepare` has published, from the start of the service to the last message handled. */
export function ourConsumer(setUp: OurSetUp, group: string): Contender {
  const { createTransport, contract, width, consumer } = setUp
  const open = (handler: () => void): Service => {
    const service = createService({ ...quiet, transport: createTransport() })
    service.consume(group, { handlers: [on(contract, handler)], maxInFlight: width, ...consumer })
    return service
  }
  let service = open(() => {})
  return {
    name: `posthorn consume, at most ${width} in flight`,
    async prepare(messages) {
      await service.stop()
      const publisher = await ourPublisher({ ...setUp, width: 1000 })
      await publisher.run(messages)
      await publisher.close()
    },
    async run(messages) {
      let handled = 0
      await new Promise<void>((resolve, reject) => {
        service = open(() => {
          handled += 1
          if (handled === messages) resolve()
        })
        service.start().catch(reject)
      })
    },
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
