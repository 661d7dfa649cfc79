import { createService, defineEvent, on } from '@posthorn/core'
import type { ConsumerOptions, DeadLetter, EventContract, Service, Transport } from '@posthorn/core'
import { silentLogger } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import { decorateDelivery } from '../../testing/src/decorateDelivery.js'
import { createRabbitMq } from '../src/index.js'
import type { RabbitMqOptions } from '../src/index.js'
import { brokerUrl, eventually, withChannel } from './broker.js'
import { sharedBroker } from './support/testBroker.js'

const rungs = [200, 300, 2_000]
const { destination: newDestination, stopping } = sharedBroker({ rungs })

type Placed = EventContract<{ readonly orderId: string }>

function contractOf(name = 'placed', destination = newDestination()): Placed {
  return defineEvent({
    type: `com.example.${name}.v1`,
    destination,
    schema: { type: 'object', required: ['orderId'], properties: { orderId: { type: 'string' } } },
  })
}

interface Running {
  readonly service: Service
  readonly transport: Transport
  readonly deadLetters: DeadLetter[]
  /** Times that the transport handed a message over, and that one was released. */
  readonly seen: { deliveries: number; releases: number }
}

/** A service that handles in group `billing` and collects its dead letters, and what its transport was asked for. */
async function running(
  contract: Placed,
  consumer: ConsumerOptions,
  options: Partial<RabbitMqOptions> = {},
): Promise<Running> {
  const bare = createRabbitMq({ urls: [brokerUrl()], ...options })
  const seen = { deliveries: 0, releases: 0 }
  const transport: Transport = {
    ...bare,
    subscribe: (subscription, onDeliveries, subscribeOptions) =>
      bare.subscribe(
        subscription,
        (deliveries) => {
          if (subscription.source === 'dead') return onDeliveries(deliveries)
          seen.deliveries += deliveries.length
          const counted = deliveries.map((delivery) => {
            const release = (): void => {
              seen.releases += 1
              delivery.release()
            }
            return decorateDelivery(delivery, { release })
          })
          return onDeliveries(counted)
        },
        subscribeOptions,
      ),
  }
  const deadLetters: DeadLetter[] = []
  const service = stopping(createService({ source: '/test', transport, publishes: [contract], logger: silentLogger }))
  service.consume('billing', consumer)
  service.readDeadLetters({ destination: contract.destination, group: 'billing' }, (one) => void deadLetters.push(one))
  await service.start()
  return { service, transport, deadLetters, seen }
}

const readyCount = (queue: string): Promise<number> =>
  withChannel(async (channel) => (await channel.checkQueue(queue)).messageCount)

describe('failed messages on RabbitMQ', () => {
  it('are counted by us, whatever the broker counts: as many attempts as the ladder has, on every version', async () => {
    const contract = contractOf()
    const attempts: number[] = []
    const headers: Readonly<Record<string, string>>[] = []
    const failing = on(contract, (_, context) => {
      attempts.push(context.attempt)
      headers.push(context.headers)
      throw new Error('never works')
    })
    // One rung three times: the broker would see a message go in circles.
    const { service, deadLetters } = await running(contract, {
      handlers: [failing],
      retry: { delaysMs: [200, 200, 200, 300] },
    })
    const { id } = await service.publish(contract, { orderId: 'o-1' })
    await eventually(() => deadLetters.length === 1)
    expect(attempts).toEqual([1, 2, 3, 4, 5])
    expect(deadLetters[0]).toMatchObject({ reason: 'retriesExhausted', attempts: 5, envelope: { id } })
    expect(headers.slice(1).map((one) => one['posthorn-attempt'])).toEqual(['2', '3', '4', '5'])
    const ofBroker = Object.keys(deadLetters[0]?.headers ?? {}).filter((name) => name.startsWith('x-'))
    expect(ofBroker).toEqual([])
  })

  it('take no count of the broker along: a copy enters its rung as if it had never been in one', async () => {
    const contract = contractOf()
    const { destination } = contract
    const { service } = await running(contract, {
      handlers: [
        on(contract, () => {
          throw new Error('not yet')
        }),
      ],
      retry: { delaysMs: [200, 200, 2_000] },
    })
    await service.publish(contract, { orderId: 'o-1' })
    await eventually(async () => (await readyCount(`${destination}.billing.retry.2000`)) === 1)
    const waiting = await withChannel((channel) => channel.get(`${destination}.billing.retry.2000`, { noAck: true }))
    expect(waiting).toMatchObject({ properties: { headers: { 'posthorn-attempt': '4' } } })
    const { headers } = (waiting as { properties: { headers: Record<string, unknown> } }).properties
    // RabbitMQ 3.10 writes a count of its own for this very `get`: none before.
    if (headers['x-delivery-count'] === 0) delete headers['x-delivery-count']
    expect(Object.keys(headers).filter((name) => name.startsWith('x-'))).toEqual([])
  })

  it('of a short rung do not wait behind those of a long one', async () => {
    const contract = contractOf()
    const handled: { orderId: string; at: number }[] = []
    const { service } = await running(contract, {
      handlers: [
        on(contract, ({ data }, { attempt }) => {
          if (attempt === 1)
            throw Object.assign(new Error('later'), { retryAfterMs: data.orderId === 'long' ? 2_000 : 300 })
          handled.push({ orderId: data.orderId, at: performance.now() })
          return Promise.resolve()
        }),
      ],
      retry: { delaysMs: [300, 2_000] },
    })
    const before = performance.now()
    await service.publish(contract, { orderId: 'long' })
    for (let count = 0; count < 20; count += 1) await service.publish(contract, { orderId: 'short' })
    await eventually(() => handled.length === 21)
    expect(handled.at(-1)?.orderId).toBe('long')
    expect((handled.at(-1)?.at ?? 0) - before).toBeGreaterThanOrEqual(2_000)
  })

  it('stay on the work queue while nobody consumes, however long: only rungs have a time to live', async () => {
    const contract = contractOf()
    const { destination } = contract
    const { service } = await running(contract, {
      handlers: [
        on(contract, () => {
          throw new Error('not yet')
        }),
      ],
      retry: { delaysMs: [2_000] },
    })
    await service.publish(contract, { orderId: 'o-1' })
    await eventually(async () => (await readyCount(`${destination}.billing.retry.2000`)) === 1)
    await service.stop()
    await eventually(async () => (await readyCount(`${destination}.billing`)) === 1)
    const [found, ...rest] = await withChannel(async (channel) => [
      await channel.get(`${destination}.billing`),
      await channel.get(`${destination}.billing.dead`),
      await channel.get(`${destination}.billing.retry.2000`),
    ])
    expect(found).toMatchObject({ properties: { headers: { 'x-first-death-reason': 'expired' } } })
    expect(rest).toEqual([false, false])
    // Given back by the end of its connection, it is handled by the next process, with its attempt.
    const attempts: number[] = []
    const next = on(contract, (_, { attempt }) => void attempts.push(attempt))
    await running(contract, { handlers: [next], retry: { delaysMs: [2_000] } })
    await eventually(() => attempts.length === 1)
    expect(attempts).toEqual([2])
  })

  it('are not asked for again and again: one delivery for each attempt, and nothing is given back', async () => {
    const contract = contractOf()
    const { destination } = contract
    const { service, transport, deadLetters, seen } = await running(contract, {
      handlers: [
        on(contract, () => {
          throw new Error('never works')
        }),
      ],
      retry: { delaysMs: [200] },
    })
    // The dead-letter queue is away while the last attempt fails: the original must stay, and must not spin.
    await service.publish(contract, { orderId: 'o-1' })
    await eventually(() => seen.deliveries === 1)
    await withChannel((channel) => channel.deleteQueue(`${destination}.billing.dead`))
    await eventually(() => deadLetters.length === 1)
    expect(seen).toEqual({ deliveries: 2, releases: 0 })
    expect(transport.health().state).toBe('ready')
  })

  it('that others reject beyond the delivery limit end among the dead letters, and their reader says why', async () => {
    const contract = contractOf()
    const { destination } = contract
    const first = await running(contract, { handlers: [on(contract, () => {})] })
    await first.service.stop()
    const publisher = stopping(
      createService({
        source: '/test',
        transport: createRabbitMq({ urls: [brokerUrl()] }),
        publishes: [contract],
        logger: silentLogger,
      }),
    )
    await publisher.start()
    const { id } = await publisher.publish(contract, { orderId: 'o-1' })
    const deliveries = await withChannel(async (channel) => {
      for (let count = 0; ; count += 1) {
        const found = await channel.get(`${destination}.billing`)
        if (found === false) return count
        channel.reject(found, true)
        await channel.checkQueue(`${destination}.billing`) // So that the rejection is through.
      }
    })
    expect(deliveries).toBe(101)
    const { deadLetters } = await running(contract, { handlers: [on(contract, () => {})] })
    await eventually(() => deadLetters.length === 1)
    expect(deadLetters[0]).toMatchObject({
      reason: 'deliveryLimit',
      origin: `${destination}.billing`,
      envelope: { id, data: { orderId: 'o-1' } },
    })
  })

  it.each(['skip', 'deadLetter'] as const)(
    'do not come of a type that nobody handles: with "%s" and one message at a time, the next one is handled',
    async (unhandledTypes) => {
      const contract = contractOf()
      const other = contractOf('unknown', contract.destination)
      const handled: string[] = []
      const { service, deadLetters } = await running(contract, {
        handlers: [on(contract, ({ data }) => void handled.push(data.orderId))],
        unhandledTypes,
        concurrency: 1,
        maxInFlight: 1,
      })
      // As an old binding, or somebody's wildcard, would bring it here.
      await withChannel((channel) => channel.bindQueue(`${contract.destination}.billing`, contract.destination, '#'))
      for (const orderId of ['o-1', 'o-2']) {
        await service.publish(other, { orderId: 'unknown' })
        await service.publish(contract, { orderId })
      }
      await eventually(() => handled.length === 2)
      expect(handled).toEqual(['o-1', 'o-2'])
      const skips = unhandledTypes === 'skip'
      await eventually(() => deadLetters.length === (skips ? 0 : 2))
      expect(deadLetters.map(({ reason }) => reason)).toEqual(skips ? [] : ['unhandledType', 'unhandledType'])
      expect(service.health().consumers[0]).toMatchObject({ skipped: skips ? 2 : 0, deadLettered: skips ? 0 : 2 })
    },
  )
})
