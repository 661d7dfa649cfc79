import type { Delivery, Transport } from '@posthorn/core/adapter'
import type { KafkaOptions } from '../../src/options.js'
import { collect, eventually, send, subscriptionTo, uniqueName, wireMessage } from './broker.js'
import type { Bench, Collected } from './broker.js'

export interface LostGroup {
  readonly orders: string
  readonly transport: Transport
  readonly got: Collected
}

/** A group that runs with `lostOffsets: 'fail'`, and stands still since messages were deleted that it had not fetched. */
export async function lostGroup(bench: Bench, driver: NonNullable<KafkaOptions['driver']>): Promise<LostGroup> {
  const orders = uniqueName('orders')
  const options = { driver, lostOffsets: 'fail', maxPartitionFetchBytes: 20_000, partitions: 1 } as const
  const transport = await bench.connect(options, [orders])
  const held: Delivery[] = []
  const got = await collect(transport, {
    subscription: subscriptionTo(orders, { maxInFlight: 1 }),
    onDelivery: (delivery) => (held.length === 0 ? void held.push(delivery) : delivery.complete()),
  })
  // More than is fetched while one is held.
  const body = Buffer.alloc(10_000)
  for (let index = 0; index < 20; index += 1) await send(transport, orders, wireMessage({ id: `m-${index}`, body }))
  await got.until(() => held.length === 1)
  const admin = await bench.admin()
  await admin.fetchTopicOffsets(orders)
  await admin.deleteTopicRecords({ topic: orders, partitions: [{ partition: 0, offset: '18' }] })
  held[0]!.complete()
  await eventually(
    async () => reasonsOf(transport),
    (why) => why.includes(`${orders}[0] has offsets 18 to 20`),
  )
  return { orders, transport, got }
}

/** Why it is not ready. */
export function reasonsOf(transport: Transport): string {
  return (transport.health().reasons ?? []).map(({ what }) => what).join('; ')
}
