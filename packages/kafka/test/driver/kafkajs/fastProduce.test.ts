import type { Kafka } from 'kafkajs'
import kafkajs from 'kafkajs'
import { describe, expect, it } from 'vitest'
import { createFastProduce } from '../../../src/driver/kafkajs/fastProduce.js'
import type { FastProduce } from '../../../src/driver/kafkajs/fastProduce.js'

interface FakeBroker {
  readonly connectionPool: { send(request: object): Promise<unknown> }
  produce(request: object): Promise<unknown>
}

interface Rig {
  readonly fast: FastProduce
  readonly produce: () => Promise<unknown>
  readonly mayBeWritten: () => boolean
}

/** A client of kafkajs whose clusters find this broker, and one produce through it. */
async function produceOn(broker: unknown): Promise<Rig> {
  const cluster = { findBroker: () => Promise.resolve(broker) }
  const createCluster = Symbol('private:Kafka:createCluster')
  const kafka = { [createCluster]: () => cluster }
  const fast = createFastProduce(kafka as unknown as Kafka)
  kafka[createCluster]()
  const found = (await cluster.findBroker()) as FakeBroker
  const message = fast.standIn(0, Buffer.from('encoded'))
  const messages = [message]
  const request = { topicData: [{ topic: 'orders', partitions: [{ partition: 0, messages }] }] }
  return { fast, produce: () => found.produce(request), mayBeWritten: () => fast.mayBeWritten(message) }
}

/** A broker like kafkajs' own, whose produce request has this version; what reached the wire is noted. */
function createBroker(request: object): FakeBroker & { readonly wire: unknown[] } {
  const wire: unknown[] = []
  const broker = {
    wire,
    connectionPool: {
      async send(wanted: { request: { encode: () => Promise<{ buffer: Buffer }> } }) {
        wire.push((await wanted.request.encode()).buffer.toString())
        return 'answer'
      },
    },
    produce: () => broker.connectionPool.send({ request: { encode: () => never(), ...request } }),
  }
  return broker as FakeBroker & { wire: unknown[] }
}

function never(): never {
  throw new Error('kafkajs encoded a stand-in')
}

describe('a produce request that is encoded already', () => {
  it('takes the place of what kafkajs would have encoded', async () => {
    const broker = createBroker({ apiKey: 0, apiVersion: 7 })
    const { fast, produce, mayBeWritten } = await produceOn(broker)
    const send = broker.connectionPool.send
    expect(mayBeWritten()).toBe(false)
    expect(await produce()).toBe('answer')
    expect([broker.wire, fast.isUsable, mayBeWritten()]).toEqual([['encoded'], true, true])
    expect(broker.connectionPool.send).toBe(send)
  })

  it.each([
    { apiKey: 0, apiVersion: 8 },
    { apiKey: 0, apiVersion: 2 },
    { apiKey: 1, apiVersion: 7 },
  ])('is not written as %o, whose layout is another, and not tried again', async (request) => {
    const broker = createBroker(request)
    const { fast, produce, mayBeWritten } = await produceOn(broker)
    await expect(produce()).rejects.toMatchObject({ kind: 'unavailable', written: 'no' })
    expect([broker.wire, fast.isUsable, mayBeWritten()]).toEqual([[], false, false])
  })

  it('is not written by a broker that sends in another way', async () => {
    const broker = { connectionPool: { send: () => never() }, produce: () => Promise.resolve('went elsewhere') }
    const { fast, produce } = await produceOn(broker)
    await expect(produce()).rejects.toMatchObject({ kind: 'unavailable', written: 'no' })
    expect(fast.isUsable).toBe(false)
  })

  it('is not used with brokers or clients that look different', async () => {
    const { fast } = await produceOn({ produce: () => Promise.resolve() })
    expect(fast.isUsable).toBe(false)
    expect(createFastProduce({} as Kafka).isUsable).toBe(false)
    expect(createFastProduce(new kafkajs.Kafka({ brokers: ['127.0.0.1:9'] })).isUsable).toBe(true)
  })

  it('is told from what kafkajs encodes, of which nobody knows whether it was written', () => {
    expect(createFastProduce({} as Kafka).mayBeWritten({ value: 'plain' })).toBe(true)
  })

  it('can never be written as a message by kafkajs itself', () => {
    const { value } = createFastProduce({} as Kafka).standIn(0, Buffer.from('encoded'))
    expect(() => Buffer.byteLength(value as unknown as string)).toThrow(TypeError)
  })
})
