import { createService, defineEvent, on } from '@posthorn/core'
import { silentLogger } from '@posthorn/core/adapter'
import { createFaultProxy } from '@posthorn/testing'
import type { FaultProxy } from '@posthorn/testing'
import { describe, expect, it } from 'vitest'
import { createRabbitMq } from '../src/index.js'
import { brokerUrl, eventually } from './broker.js'
import { sharedBroker } from './support/testBroker.js'

const { destination, stopping, closing } = sharedBroker({ rungs: [200] })

function contractOf() {
  return defineEvent({
    type: 'com.example.counted.v1',
    destination: destination(),
    schema: {
      type: 'object',
      required: ['key', 'count'],
      properties: { key: { type: 'string' }, count: { type: 'integer' } },
    },
    partitionKey: ({ key }) => key,
  })
}

type Counted = ReturnType<typeof contractOf>

/** One process of the group; every thirtieth message fails at first, and its key waits for it. */
async function member(contract: Counted, onHandled: (key: string, count: number) => void): Promise<FaultProxy> {
  const proxy = closing(await createFaultProxy({ target: brokerUrl() }))
  const transport = createRabbitMq({ urls: [proxy.url], reconnect: { firstMs: 20, maxMs: 200 } })
  const service = stopping(createService({ source: '/test', transport, logger: silentLogger }))
  service.consume('billing', {
    handlers: [
      on(contract, async ({ data }, { attempt }) => {
        await new Promise((resolve) => setTimeout(resolve, 2))
        if (data.count % 30 === 29 && attempt === 1) throw new Error('the second time it works')
        onHandled(data.key, data.count)
      }),
    ],
    retry: { delaysMs: [200] },
    order: { by: 'partitionKey', onRetry: 'holdKey' },
    maxInFlight: 50,
    maxCrashes: 50,
  })
  await service.start()
  return proxy
}

describe('an ordered group whose processes lose their connections', () => {
  it('handles the messages of each key in order for the first time, and every one of them', async () => {
    const contract = contractOf()
    const keys = Array.from({ length: 10 }, (_, index) => `key-${index}`)
    const first = new Map<string, number[]>(keys.map((key) => [key, []]))
    const onHandled = (key: string, count: number): void => {
      const seen = first.get(key) as number[]
      if (!seen.includes(count)) seen.push(count)
    }
    const members = [await member(contract, onHandled), await member(contract, onHandled)]
    const transport = createRabbitMq({ urls: [brokerUrl()] })
    const publisher = stopping(
      createService({ source: '/test', transport, publishes: [contract], logger: silentLogger }),
    )
    await publisher.start()
    const total = (): number => [...first.values()].reduce((sum, seen) => sum + seen.length, 0)
    const publishing = (async () => {
      for (let count = 0; count < 100; count += 1) {
        await Promise.all(keys.map((key) => publisher.publish(contract, { key, count })))
      }
    })()
    for (let cuts = 0; cuts < 6; cuts += 1) {
      const before = total()
      await eventually(() => total() > before + 20)
      members[cuts % 2]?.cut()
    }
    await publishing
    await eventually(() => total() === 1_000, 60_000)
    for (const [key, seen] of first) expect(seen, key).toEqual(seen.toSorted((left, right) => left - right))
    expect(members.every(({ resetCount }) => resetCount > 0)).toBe(true)
  })
})
