import { createService, defineEvent, on, silentLogger } from '@posthorn/core'
import type { ConsumerOptions, EventContract, Service } from '@posthorn/core'
import type { Delivery } from '@posthorn/core/adapter'
import { afterEach, describe, expect, it } from 'vitest'
import type { CreateDriver } from '../src/driver/driver.js'
import { createKafkajsDriver } from '../src/driver/kafkajs/kafkajsDriver.js'
import { createKafka } from '../src/index.js'
import { createKafkaOn } from '../src/kafka.js'
import { murmur2 } from '../src/murmur2.js'
import type { KafkaOptions } from '../src/options.js'
import { startConsumer } from './support/consumerProcess.js'
import type { ConsumerProcess } from './support/consumerProcess.js'
import {
  brokersFromEnvironment,
  collect,
  context,
  createBench,
  eventually,
  inMs,
  send,
  subscriptionTo,
  uniqueName,
  wireMessage,
} from './support/broker.js'

const bench = createBench(brokersFromEnvironment)
const services: Service[] = []
const processes: ConsumerProcess[] = []
afterEach(async () => {
  for (const { child } of processes.splice(0)) child.kill('SIGKILL')
  await Promise.all(services.splice(0).map((service) => service.stop({ deadlineMs: 3_000 })))
  await bench.close()
})

interface Numbered {
  readonly kind: string
}

function contractFor(destination: string): EventContract<Numbered> {
  return defineEvent({
    type: 'com.example.child.v1',
    destination,
    schema: { type: 'object', required: ['kind'], properties: { kind: { type: 'string' } } },
  })
}

async function run(
  destination: string,
  consumer: ConsumerOptions | undefined,
  kafka: Partial<KafkaOptions> = {},
): Promise<Service> {
  const transport = createKafka({ brokers: brokersFromEnvironment(), sessionTimeoutMs: 6_000, ...kafka })
  const publishes = consumer === undefined ? [contractFor(destination)] : []
  const service = createService({ source: '/test', transport, logger: silentLogger, publishes })
  services.push(service)
  if (consumer !== undefined) service.consume('billing', consumer)
  await service.start()
  return service
}

async function committed(destination: string): Promise<number[]> {
  const admin = await bench.admin()
  const [topic] = await admin.fetchOffsets({ groupId: `${destination}.billing`, topics: [destination] })
  return topic!.partitions.map(({ offset }) => Number(offset))
}

/** Lets a test wait for things that handlers do. */
function tally(): { add(id: string): void; ids: string[]; until(isEnough: () => boolean): Promise<unknown> } {
  const ids: string[] = []
  return {
    ids,
    add: (id) => void ids.push(id),
    until: (isEnough) =>
      eventually(
        async () => isEnough(),
        (answer) => answer,
        60_000,
      ),
  }
}

describe('a handler', () => {
  it('that takes longer than the session timeout keeps its partition, and its message to itself', async () => {
    const orders = uniqueName('orders')
    const publisher = await run(orders, undefined, { partitions: 2 })
    const began = tally()
    const ended = tally()
    const handlers = [
      on(contractFor(orders), async ({ envelope }) => {
        began.add(envelope.id)
        if (envelope.id.startsWith('slow')) await new Promise((resolve) => setTimeout(resolve, 9_000))
        ended.add(envelope.id)
      }),
    ]
    const consumers = [await run(orders, { handlers }), await run(orders, { handlers })]
    const ids = ['slow-a', 'slow-b', ...Array.from({ length: 20 }, (_, index) => `m-${index}`)]
    await Promise.all(ids.map((id) => publisher.publish(contractFor(orders), { kind: id }, { id, partitionKey: id })))
    await ended.until(() => ended.ids.length >= 22)
    expect(began.ids.toSorted()).toEqual(ids.toSorted())
    expect(ended.ids.toSorted()).toEqual(ids.toSorted())
    for (const { health } of consumers.map((service) => ({ health: service.health() }))) {
      expect(health.transport.counts).toMatchObject({ staleSettlements: 0 })
    }
  })

  it('of one key does not hold up ninety-nine others of its partition, and what is committed has no gap', async () => {
    const orders = uniqueName('orders')
    const publisher = await run(orders, undefined, { partitions: 1 })
    const contract = contractFor(orders)
    const ids = Array.from({ length: 1_000 }, (_, index) => `k${index % 100}/${Math.floor(index / 100)}`)
    // In the order of the list, so that an offset is an index.
    await Promise.all(
      ids.map((id) => publisher.publish(contract, { kind: 'good' }, { id, partitionKey: id.split('/')[0]! })),
    )
    const running = new Set<string>()
    const done = new Set<string>()
    const orderOf = new Map<string, number>()
    let most = 0
    const handlers = [
      on(contract, async ({ envelope }) => {
        const [key, index] = envelope.id.split('/') as [string, string]
        expect(running.has(key)).toBe(false)
        expect(Number(index)).toBe((orderOf.get(key) ?? -1) + 1)
        running.add(key)
        orderOf.set(key, Number(index))
        most = Math.max(most, running.size)
        await new Promise((resolve) => setTimeout(resolve, 20))
        running.delete(key)
        done.add(envelope.id)
      }),
    ]
    const consumer = { handlers, concurrency: 100, maxInFlight: 500, order: { by: 'partitionKey' } } as const
    await run(orders, consumer, { commitIntervalMs: 20 })
    const samples = await eventually(
      async () => {
        const [offset = 0] = await committed(orders)
        // Whatever is below it must have been done when it was read.
        expect(ids.slice(0, Math.max(0, offset)).filter((id) => !done.has(id))).toEqual([])
        return offset
      },
      (offset) => offset === 1_000,
      60_000,
    )
    expect(samples).toBe(1_000)
    expect(most).toBeGreaterThan(50)
  })
})

describe('a partition', () => {
  it('whose oldest message is held does not hold up another', async () => {
    const orders = uniqueName('orders')
    const transport = await bench.connect({ partitions: 2, maxUncommittedCount: 10 }, [orders])
    const held: Delivery[] = []
    const got = await collect(transport, {
      subscription: subscriptionTo(orders),
      onDelivery: (delivery) => (delivery.address.includes('[0]') ? held.push(delivery) : delivery.complete()),
    })
    const keys = Array.from({ length: 20 }, (_, index) => `k${index}`)
    const keyOf = [0, 1].map((partition) =>
      keys.find((key) => (murmur2(Buffer.from(key)) & 0x7fffffff) % 2 === partition)!,
    )
    await Promise.all(
      Array.from({ length: 3_000 }, (_, index) =>
        send(
          transport,
          orders,
          wireMessage({ id: `m-${index}`, body: Buffer.alloc(1_000), partitionKey: keyOf[index % 2]! }),
        ),
      ),
    )
    const partitionOf = ({ address }: Delivery): string => /\[(\d)\]/.exec(address)![1]!
    await got.until(({ deliveries }) => deliveries.filter((one) => partitionOf(one) === '1').length === 1_500)
    expect(held).toHaveLength(10)
    for (const delivery of held.splice(0)) delivery.complete()
    await got.until(() => held.length === 10)
  })
})

describe('a process that was suspended beyond the session timeout', () => {
  it('commits nothing of what is not its own any more', async () => {
    const orders = uniqueName('orders')
    const contract = contractFor(orders)
    const publisher = await run(orders, undefined, { partitions: 1 })
    const ids = Array.from({ length: 40 }, (_, index) => `m-${index}`)
    for (const id of ids) await publisher.publish(contract, { kind: 'good' }, { id })
    const brokers = brokersFromEnvironment()
    const consumer = { concurrency: 10, maxInFlight: 10, maxCrashes: 50 }
    const zombie = startConsumer({ brokers, destination: orders, consumer, handleMs: 2_000 })
    processes.push(zombie)
    await zombie.until(() => zombie.ids.handled.length > 0 && zombie.ids.began.length >= 20)
    zombie.child.kill('SIGSTOP')

    // Somebody else takes over, and works on one message until the end of the test.
    let finish = (): void => {}
    const blocked = new Promise<void>((resolve) => (finish = resolve))
    const done = new Set<string>()
    let hasBegun = false
    const handlers = [
      on(contract, async ({ envelope }) => {
        if (envelope.id === 'm-15') {
          hasBegun = true
          await blocked
        }
        done.add(envelope.id)
      }),
    ]
    await run(orders, { handlers, concurrency: 20 }, { heartbeatIntervalMs: 500 })
    const finishedBelow = (offset: number): string[] =>
      ids.slice(0, offset).filter((id) => !done.has(id) && !zombie.ids.handled.includes(id))
    await eventually(
      async () => hasBegun,
      (answer) => answer,
      60_000,
    )
    const before = (await committed(orders))[0]!
    zombie.child.kill('SIGCONT')
    // What it had in flight ends now, above m-15; it says so, too late, and takes part again.
    await zombie.until(() => zombie.ids.handled.length >= 20)
    for (let round = 0; round < 20; round += 1) {
      const [offset = 0] = await committed(orders)
      expect(finishedBelow(offset)).toEqual([])
      expect(offset).toBeGreaterThanOrEqual(before)
    }
    finish()
    await eventually(
      () => committed(orders),
      ([offset]) => offset === 40,
      60_000,
    )
    expect(finishedBelow(40)).toEqual([])
  })
})

describe('a consumer', () => {
  it('that fetches nothing although there is something is replaced by the watchdog', async () => {
    const orders = uniqueName('orders')
    let consumers = 0
    // kafkajs' issue 1441 and others: everything looks alive, and nothing comes.
    const createDriver: CreateDriver = (settings) => {
      const driver = createKafkajsDriver(settings)
      return {
        ...driver,
        consumer(options, events) {
          if (options.topic !== orders) return driver.consumer(options, events)
          consumers += 1
          const isDeaf = consumers === 1
          return driver.consumer(options, { ...events, fetched: isDeaf ? () => {} : events.fetched })
        },
      }
    }
    const brokers = brokersFromEnvironment()
    const transport = createKafkaOn({ brokers, partitions: 1, watchdogIntervalMs: 500 }, createDriver)
    try {
      await transport.connect(context, [orders], { deadline: inMs(20_000) })
      await send(transport, orders, wireMessage({ id: 'm-1' }))
      const got = await collect(transport, { subscription: subscriptionTo(orders) })
      await got.until(({ texts }) => texts.length === 1)
      expect(transport.health().counts).toMatchObject({ stalled: 1, replaced: 1 })
    } finally {
      await transport.close(inMs(5_000))
    }
  })

  it('that is closed while it starts leaves no member behind, and delivers nothing more', async () => {
    const orders = uniqueName('orders')
    const publisher = await bench.connect({ partitions: 2 }, [orders])
    const admin = await bench.admin()
    // A round may be quick enough to handle what the ones before have published.
    const handled = new Set<string>()
    for (let round = 0; round < 8; round += 1) {
      const transport = await bench.connect()
      const subscribing = collect(transport, { subscription: subscriptionTo(orders) }).catch(() => undefined)
      // From before the connection is there to after the first fetch.
      await new Promise((resolve) => setTimeout(resolve, round * 40))
      await transport.close(inMs(10_000))
      const got = await subscribing
      const before = got?.texts.length
      await send(publisher, orders, wireMessage({ id: `m-${round}` }))
      expect(got?.texts.length).toBe(before)
      for (const text of got?.texts ?? []) handled.add(text)
    }
    await eventually(
      async () => (await admin.describeGroups([`${orders}.billing`])).groups[0]!.members.length,
      (members) => members === 0,
    )
    const got = await collect(await bench.connect(), { subscription: subscriptionTo(orders) })
    await got.until(({ texts }) => new Set([...handled, ...texts]).size === 8)
  })
})
