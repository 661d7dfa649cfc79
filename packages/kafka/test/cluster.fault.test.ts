import type { Delivery } from '@posthorn/core/adapter'
import type { Admin } from 'kafkajs'
import { describe, expect, it } from 'vitest'
import type { DriverError } from '../src/driver/driverError.js'
import { createKafkajsDriver } from '../src/driver/kafkajs/kafkajsDriver.js'
import { createPlatformaticDriver } from '../src/driver/platformatic/platformaticDriver.js'
import { createDriverBench, outgoing } from './driver/driverBench.js'
import { collect, eventually, inMs, isDone, send, subscriptionTo, uniqueName, wireMessage } from './support/broker.js'
import type { Collected } from './support/broker.js'
import { ownKafka } from './support/testKafka.js'

const kafka = ownKafka({ nodes: 3 })
const { bench } = kafka

type Leaders = ReadonlyMap<number, number>

async function leadersOf(admin: Admin, topic: string): Promise<Leaders> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
  return new Map(topics[0]!.partitions.map(({ partitionId, leader }) => [partitionId, leader]))
}

/** Each partition gets the next of its replicas as its leader. */
async function moveLeaders(admin: Admin, topic: string): Promise<void> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
  const partitionAssignment = topics[0]!.partitions.map(({ partitionId, leader }) => {
    const others = [1, 2, 3].filter((node) => node !== leader)
    return { partition: partitionId, replicas: [...others, leader] }
  })
  const before = await leadersOf(admin, topic)
  await admin.alterPartitionReassignments({ topics: [{ topic, partitionAssignment }] })
  const elect = (): Promise<boolean> =>
    isDone(
      kafka.control.tool('org.apache.kafka.tools.LeaderElectionCommand', [
        '--bootstrap-server',
        kafka.brokers.join(','),
        '--election-type',
        'preferred',
        '--all-topic-partitions',
      ]),
    )
  // Again, since a replica that is behind for a moment is not elected.
  await eventually(
    async () => {
      await elect()
      return leadersOf(admin, topic)
    },
    (now) => [...now].every(([partition, leader]) => leader > 0 && leader !== before.get(partition)),
  )
}

/** Until then an election of a preferred leader fails, and a topic of three replicas cannot be created. */
async function inSync(admin: Admin, topic: string): Promise<void> {
  await eventually(
    () => admin.fetchTopicMetadata({ topics: [topic] }),
    ({ topics }) => topics[0]!.partitions.every(({ isr }) => isr.length === 3),
  )
}

interface Publishing {
  readonly confirmed: readonly string[]
  stop(): Promise<readonly string[]>
}

/** Publishes, with keys, until it is told to stop; gives the ids that were confirmed. */
function publishOn(publish: (id: string, key: string) => Promise<unknown>): Publishing {
  const confirmed: string[] = []
  let stopped = false
  const running = Promise.all(
    Array.from({ length: 5 }, async (_, lane) => {
      for (let index = 0; !stopped; index += 1) {
        const id = `m-${lane}-${index}`
        await publish(id, `k-${index % 40}`)
        confirmed.push(id)
        // A steady trickle: the moves are to be met, not the machine loaded.
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }),
  )
  return {
    confirmed,
    async stop() {
      stopped = true
      await running
      return confirmed
    },
  }
}

async function allOf(confirmed: readonly string[], { texts }: Collected): Promise<void> {
  await eventually(
    async () => new Set(texts),
    (delivered) => confirmed.every((id) => delivered.has(id)),
  )
}

describe.each(['kafkajs', 'platformatic'] as const)('in a cluster of three, with the driver %s,', (driver) => {
  const options = { driver, partitions: 4, replicationFactor: 3, heartbeatIntervalMs: 500 }
  const finish = (delivery: Delivery): void => void setTimeout(() => delivery.complete(), 30)

  it(
    'leaders that move cost no message, and no work that is under way is done twice',
    { timeout: 300_000 },
    async () => {
      const orders = uniqueName('orders')
      const transport = await bench.connect(options, [orders])
      const got = await collect(transport, { subscription: subscriptionTo(orders), onDelivery: finish })
      const admin = await bench.admin()
      const publishing = publishOn((id, partitionKey) => send(transport, orders, wireMessage({ id, partitionKey })))
      for (let round = 0; round < 2; round += 1) await moveLeaders(admin, orders)
      await eventually(
        async () => publishing.confirmed.length,
        (count) => count > 100,
      )
      const confirmed = await publishing.stop()
      await allOf(confirmed, got)
      // A send that was repeated is another record; no record comes twice.
      const addresses = got.deliveries.map(({ address }) => address)
      expect(addresses.length).toBe(new Set(addresses).size)
    },
  )

  it(
    'the death of a leader costs nothing that was confirmed, and nobody waits for it',
    { timeout: 300_000 },
    async () => {
      const orders = uniqueName('orders')
      const transport = await bench.connect(options, [orders])
      const got = await collect(transport, { subscription: subscriptionTo(orders), onDelivery: finish })
      const admin = await bench.admin()
      const dead = (await leadersOf(admin, orders)).get(0)!
      const deadline = (): { deadline: number } => ({ deadline: inMs(60_000) })
      const publishing = publishOn((id, partitionKey) =>
        transport.send({ destination: orders }, wireMessage({ id, partitionKey }), deadline()),
      )
      await got.until(({ texts }) => texts.length > 50)
      await kafka.control.kill(dead)
      try {
        const others = await bench.admin()
        await eventually(
          () => leadersOf(others, orders),
          (now) => [...now.values()].every((leader) => leader > 0 && leader !== dead),
        )
        const before = got.texts.length
        await got.until(({ texts }) => texts.length > before + 50, 60_000)
        const confirmed = await publishing.stop()
        await allOf(confirmed, got)
      } finally {
        await kafka.control.start(dead)
        await inSync(await bench.admin(), orders)
      }
    },
  )
})

describe.each([
  ['kafkajs', createKafkajsDriver],
  ['platformatic', createPlatformaticDriver],
] as const)('while leaders move, with the driver %s,', (_, create) => {
  it('nothing is in the log that is said not to have been written', { timeout: 300_000 }, async () => {
    const partitions = 12
    const admin = await bench.admin()
    const topic = uniqueName('orders')
    const configEntries = [{ name: 'min.insync.replicas', value: '2' }]
    const topics = [{ topic, numPartitions: partitions, replicationFactor: 3, configEntries }]
    // A broker that the test before has killed may not count yet, although one that is behind says that it is in sync.
    await eventually(() => isDone(admin.createTopics({ topics, waitForLeaders: false })), Boolean)
    await eventually(
      () => leadersOf(admin, topic).catch(() => new Map<number, number>()),
      (leaders) => leaders.size === partitions && [...leaders.values()].every((leader) => leader > 0),
    )
    const drivers = createDriverBench(create, () => kafka.brokers)
    const driver = await drivers.driver()
    // Of a broker that has not heard of the topic yet, kafkajs takes that there is none.
    const got = (await eventually(
      () => drivers.join(driver, topic, { partitions }).catch(() => undefined),
      (joined) => joined !== undefined,
    ))!
    const failed = new Map<string, DriverError['written']>()
    let next = 0
    let stopped = false
    // Several at a time for each partition, so that some wait for replicas whenever a leader moves.
    const sending = Array.from({ length: partitions * 4 }, async (_, index) => {
      while (!stopped) {
        const id = `m-${next++}`
        const batch = { topic, partition: index % partitions, records: [outgoing(id)] }
        await driver.send(batch).catch(async ({ written }: DriverError) => {
          failed.set(id, written)
          await new Promise((resolve) => setTimeout(resolve, 30))
        })
      }
    })
    const writtenAfterAll = (): [string, DriverError['written']][] => {
      const log = new Set(got.values())
      return [...failed].filter(([id]) => log.has(id))
    }
    try {
      // Until a leader has written a message and then answered that it is none, which is rare.
      for (let round = 0; round < 12 && writtenAfterAll().length === 0; round += 1) await moveLeaders(admin, topic)
      stopped = true
      await Promise.all(sending)
      for (let partition = 0; partition < partitions; partition += 1) {
        await eventually(() => isDone(driver.send({ topic, partition, records: [outgoing('last')] })), Boolean)
      }
      await got.until(() => [...Array(partitions).keys()].every((partition) => got.values(partition).includes('last')))
      expect(writtenAfterAll().filter(([, written]) => written === 'no')).toEqual([])
    } finally {
      stopped = true
      await drivers.close()
    }
  })
})
