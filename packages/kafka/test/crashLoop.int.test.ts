import { describe, expect, it } from 'vitest'
import type { CreateDriver } from '../src/driver/driver.js'
import { DriverError } from '../src/driver/driverError.js'
import { createKafkajsDriver } from '../src/driver/kafkajs/kafkajsDriver.js'
import { createKafkaOn } from '../src/kafka.js'
import {
  brokersFromEnvironment,
  collect,
  context,
  inMs,
  send,
  subscriptionTo,
  uniqueName,
  wireMessage,
} from './support/broker.js'
import { sharedKafka } from './support/testKafka.js'

const bench = sharedKafka()

/** A process whose last word does not arrive: it leaves the group, so that no session has to expire, but commits nothing. */
function mortal(): { readonly createDriver: CreateDriver; die(): void } {
  let isDead = false
  return {
    die: () => (isDead = true),
    createDriver(settings) {
      const driver = createKafkajsDriver(settings)
      return {
        ...driver,
        consumer(options, events) {
          const consumer = driver.consumer(options, events)
          return {
            start: () => consumer.start(),
            pause: (partitions) => consumer.pause(partitions),
            resume: (partitions) => consumer.resume(partitions),
            seek: (partition, offset) => consumer.seek(partition, offset),
            heartbeat: () => consumer.heartbeat(),
            stop: (deadline) => consumer.stop(deadline),
            commit: (offsets) =>
              isDead
                ? Promise.reject(new DriverError({ kind: 'connection', message: 'dead' }))
                : consumer.commit(offsets),
          }
        },
      }
    },
  }
}

describe('a message on which processes die', () => {
  interface Life {
    /** Offsets and counts, as delivered. */
    facts(): [string, number | undefined][]
    until(offset: string): Promise<void>
    die(): Promise<void>
    stop(): Promise<void>
  }

  /** Completes everything but the message at offset 3 of the only partition. */
  async function live(destination: string, completesAll = false): Promise<Life> {
    const { createDriver, die } = mortal()
    const transport = createKafkaOn({ brokers: brokersFromEnvironment(), partitions: 1 }, createDriver)
    await transport.connect(context, [destination], { deadline: inMs(20_000) })
    const got = await collect(transport, {
      subscription: subscriptionTo(destination),
      onDelivery(delivery) {
        if (completesAll || !delivery.address.endsWith('@3')) delivery.complete()
      },
    })
    const stop = (): Promise<void> => transport.close(inMs(5_000))
    return {
      facts: () =>
        got.deliveries.map(({ address, brokerRedeliveries }) => [/@\d+$/.exec(address)![0], brokerRedeliveries]),
      until: (offset) => got.until(({ deliveries }) => deliveries.some(({ address }) => address.endsWith(offset))),
      die() {
        die()
        return stop()
      },
      stop,
    }
  }

  it('says how often, alone, and its neighbours say nothing', async () => {
    const orders = uniqueName('orders')
    const publisher = await bench.connect({ partitions: 1 }, [orders])
    for (let index = 0; index < 6; index += 1) await send(publisher, orders, wireMessage({ id: `m-${index}` }))

    const first = await live(orders)
    await first.until('@5')
    await first.die()

    // Where it died is not known better than by its last commit: from there, one at a time.
    const second = await live(orders)
    await second.until('@3')
    await second.die()
    expect(second.facts().at(-1)).toEqual(['@3', 0])

    const third = await live(orders)
    await third.until('@3')
    await third.die()
    expect(third.facts()).toEqual([['@3', 1]])

    const fourth = await live(orders)
    await fourth.until('@3')
    expect(fourth.facts()).toEqual([['@3', 2]])
    // Alive, and with the message unsettled: that is no crash.
    await fourth.stop()

    const fifth = await live(orders, true)
    await fifth.until('@5')
    expect(fifth.facts()).toEqual([
      ['@3', 2],
      ['@4', 0],
      ['@5', 0],
    ])
    await fifth.stop()
  })

  it('is not suspected after a rebalance or a stop', async () => {
    const orders = uniqueName('orders')
    const publisher = await bench.connect({ partitions: 2, heartbeatIntervalMs: 300 }, [orders])
    for (let index = 0; index < 40; index += 1) {
      await send(publisher, orders, wireMessage({ id: `m-${index}`, partitionKey: `k${index}` }))
    }
    const hold = { subscription: subscriptionTo(orders), onDelivery: () => {} }
    const one = await bench.connect({ heartbeatIntervalMs: 300 })
    const first = await collect(one, hold)
    await first.until(({ deliveries }) => deliveries.length === 40)
    const other = await bench.connect({ heartbeatIntervalMs: 300 })
    const second = await collect(other, hold)
    await second.until(({ deliveries }) => deliveries.length > 10)
    await one.close(inMs(5_000))
    await second.until(({ deliveries }) => deliveries.length === 40)
    await other.close(inMs(5_000))
    const third = await collect(await bench.connect(), hold)
    await third.until(({ deliveries }) => deliveries.length === 40)
    const counts = [...second.deliveries, ...third.deliveries].map(({ brokerRedeliveries }) => brokerRedeliveries)
    expect(new Set(counts)).toEqual(new Set([0]))
  })
})
