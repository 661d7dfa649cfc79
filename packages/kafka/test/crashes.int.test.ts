import { createService, silentLogger } from '@posthorn/core'
import type { Service } from '@posthorn/core'
import { afterEach, expect, it } from 'vitest'
import { createKafka } from '../src/index.js'
import { murmur2 } from '../src/murmur2.js'
import { brokersFromEnvironment, createBench, eventually, uniqueName } from './support/broker.js'
import { childContract, startConsumer } from './support/consumerProcess.js'
import type { ConsumerProcess } from './support/consumerProcess.js'

const bench = createBench(brokersFromEnvironment)
const services: Service[] = []
const processes: ConsumerProcess[] = []

afterEach(async () => {
  for (const { child } of processes.splice(0)) child.kill('SIGKILL')
  await Promise.all(services.splice(0).map((service) => service.stop()))
  await bench.close()
})

/** Those that kill their process, among eighty messages on two partitions. */
const poison = new Set([3, 20])
const ids = Array.from({ length: 80 }, (_, index) => (poison.has(index) ? `poison-${index}` : `good-${index}`))

it('messages that abort their process are dead-lettered alone, in every partition, and nothing else is', async () => {
  const brokers = brokersFromEnvironment()
  const destination = uniqueName('orders')
  const transport = createKafka({ brokers, partitions: 2 })
  const contract = childContract(destination)
  const service = createService({ source: '/test', transport, logger: silentLogger, publishes: [contract] })
  services.push(service)
  const dead = new Map<string, string>()
  service.readDeadLetters({ destination, group: 'billing' }, ({ envelope, reason }) => {
    dead.set(envelope!.id, reason)
  })
  await service.start()
  const partitions = [...poison].map((index) => (murmur2(Buffer.from(`poison-${index}`)) & 0x7fffffff) % 2)
  expect(new Set(partitions).size).toBe(2)
  await Promise.all(ids.map((id) => service.publish(contract, { kind: id.split('-')[0]! }, { id, partitionKey: id })))
  const handled = new Map<string, number>()
  const isDone = (one: ConsumerProcess): boolean =>
    ids.every((id) => handled.has(id) || one.ids.handled.includes(id) || dead.has(id))
  let starts = 0
  for (let isOver = false; !isOver;) {
    // Half of what may be in flight is of the other partition: bystanders must not be blamed.
    const one = startConsumer({ brokers, destination, consumer: { maxCrashes: 1, maxInFlight: 50, concurrency: 10 } })
    processes.push(one)
    starts += 1
    let isGone = false
    void one.ended.then(() => (isGone = true))
    await eventually(
      async () => isGone || isDone(one),
      (isEnough) => isEnough,
      60_000,
    )
    isOver = !isGone
    one.child.kill('SIGKILL')
    const how = await one.ended
    expect(how).toBe(isOver ? 'SIGKILL' : 'SIGABRT')
    for (const id of one.ids.handled) handled.set(id, (handled.get(id) ?? 0) + 1)
    expect(starts).toBeLessThan(15)
  }
  const blamed = [...dead].map(([id, reason]) => `${id} ${reason}`).toSorted()
  expect(blamed).toEqual(['poison-20 crashLoop', 'poison-3 crashLoop'])
  expect([...handled.keys()].toSorted()).toEqual(ids.filter((id) => id.startsWith('good')).toSorted())
})
