import { NonRetryableError, createService, defineEvent, on } from '@posthorn/core'
import type { Consumer, ConsumerHealth, ConsumerOptions, EventContract, Service, Transport } from '@posthorn/core'
import { silentLogger } from '@posthorn/core/adapter'
import { createFaultProxy } from '@posthorn/testing'
import { describe, expect, it } from 'vitest'
import { brokerUrl, eventually, takeAll } from './broker.js'
import { sharedBroker } from './support/testBroker.js'

const { destination, make, stopping, closing } = sharedBroker({
  options: { reconnect: { firstMs: 20, maxMs: 200 } },
})

type Placed = EventContract<{ readonly orderId: string }>

interface Running {
  readonly contract: Placed
  readonly service: Service
  readonly consumer: Consumer
  readonly calls: { readonly orderId: string; readonly signal: AbortSignal }[]
  /** Lets every handler end, those that run and those to come. */
  release(): void
}

const messageCount = 10
const concurrency = 2
const lossCount = 3

/** A group whose handlers take no notice of their signal, wait until they are let go, and then do as `outcome` says. */
async function running(transport: Transport, order: ConsumerOptions['order'], outcome: () => void): Promise<Running> {
  const contract: Placed = defineEvent({
    type: 'com.example.placed.v1',
    destination: destination(),
    schema: { type: 'object', required: ['orderId'], properties: { orderId: { type: 'string' } } },
    partitionKey: ({ orderId }) => orderId.slice(0, 1),
  })
  const service = stopping(createService({ source: '/test', transport, publishes: [contract], logger: silentLogger }))
  const calls: Running['calls'] = []
  let release!: () => void
  const released = new Promise<void>((resolve) => (release = resolve))
  const handler = on(contract, async ({ data }, { signal }) => {
    calls.push({ orderId: data.orderId, signal })
    await released
    outcome()
  })
  const consumer = service.consume('billing', {
    handlers: [handler],
    concurrency,
    maxInFlight: messageCount,
    maxCrashes: 2 * lossCount,
    retry: { delaysMs: [] },
    ...(order === undefined ? {} : { order }),
  })
  await service.start()
  for (let n = 0; n < messageCount; n += 1) await service.publish(contract, { orderId: `${n % 5}-${n}` })
  await says(consumer, { running: concurrency, inFlight: messageCount })
  return { contract, service, consumer, calls, release }
}

/** Waits until the consumer's health says exactly this. */
async function says(consumer: Consumer, counts: Partial<ConsumerHealth>): Promise<void> {
  const names = Object.keys(counts) as (keyof ConsumerHealth)[]
  await eventually(() => names.every((name) => consumer.health()[name] === counts[name]))
}

describe('what a lost connection to RabbitMQ took along', () => {
  it.each([
    ['', undefined],
    [', in order', { by: 'partitionKey' }],
  ] as const)(
    'leaves the process, however often and however slow handlers are%s: nothing is handled or put aside for it',
    async (_, order) => {
      const proxy = closing(await createFaultProxy({ target: brokerUrl() }))
      const transport = make({ urls: [proxy.url] })
      const { contract, consumer, calls, release } = await running(transport, order, () => {
        throw new NonRetryableError('no')
      })
      for (let loss = 1; loss <= lossCount; loss += 1) {
        proxy.cut()
        // One window, and what handlers have not let go of: each further loss adds nothing.
        await says(consumer, {
          inFlight: messageCount + concurrency,
          running: concurrency,
          released: loss * messageCount - concurrency,
        })
        expect(calls).toHaveLength(concurrency)
        for (const { signal } of calls) expect(signal.reason).toMatchObject({ code: 'POSTHORN_SETTLEMENT' })
      }
      release()
      await says(consumer, { inFlight: 0 })
      const released = lossCount * messageCount
      expect(consumer.health()).toMatchObject({ handled: 0, retried: 0, deadLettered: messageCount, released })
      expect(transport.health().counts).toMatchObject({ staleSettlements: released })
      expect(calls.map(({ signal }) => signal.aborted)).toEqual(calls.map((_call, index) => index < concurrency))
      const again = calls.slice(concurrency).map(({ orderId }) => orderId)
      expect([again.length, new Set(again).size]).toEqual([messageCount, messageCount])
      const dead = await takeAll(`${contract.destination}.billing.dead`)
      expect([dead.length, new Set(dead).size]).toEqual([messageCount, messageCount])
    },
  )

  it('is not what a stop waits for: its handlers end unaborted, and their messages are done', async () => {
    const { contract, service, consumer, calls, release } = await running(make(), undefined, () => {})
    const stopped = service.stop()
    await says(consumer, { released: messageCount - concurrency })
    release()
    await stopped
    expect(consumer.health()).toMatchObject({ handled: concurrency, inFlight: 0 })
    expect(calls.map(({ signal }) => signal.aborted)).toEqual([false, false])
    expect(await takeAll(`${contract.destination}.billing`)).toHaveLength(messageCount - concurrency)
  })
})
