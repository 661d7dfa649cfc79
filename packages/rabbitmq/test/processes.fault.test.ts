import { createService, silentLogger } from '@posthorn/core'
import type { Service } from '@posthorn/core'
import { afterEach, describe, expect, it } from 'vitest'
import { createRabbitMq } from '../src/index.js'
import { after, brokerUrl, contextOf, eventually, message, openInbox, removeAll, sendTo } from './broker.js'
import { subscriptionTo, uniqueDestination, withChannel, within } from './broker.js'
import { childContract, startConsumer } from './support/consumerProcess.js'
import type { ConsumerOrder, ConsumerProcess } from './support/consumerProcess.js'

const closers: (() => Promise<unknown>)[] = []
const processes: ConsumerProcess[] = []
const used = new Set<string>()

afterEach(async () => {
  for (const { child } of processes.splice(0)) child.kill('SIGKILL')
  await Promise.all(closers.splice(0).map((close) => close()))
  await removeAll(used, 'billing', [1_000, 5_000, 30_000])
  used.clear()
})

interface Bench {
  readonly publish: (id: string, filler?: string) => Promise<unknown>
  readonly start: (order?: Partial<ConsumerOrder>) => Promise<ConsumerProcess>
  /** Messages that wait or are unsettled are gone when this is zero and nobody consumes. */
  readonly waiting: () => Promise<number>
}

async function createBench(): Promise<Bench> {
  const destination = uniqueDestination()
  used.add(destination)
  const contract = childContract(destination)
  const transport = createRabbitMq({ urls: [brokerUrl()] })
  const service: Service = createService({ source: '/test', transport, publishes: [contract], logger: silentLogger })
  closers.push(() => service.stop())
  await service.start()
  return {
    publish: (id, filler = '') => service.publish(contract, { kind: 'good', filler }, { id }),
    async start(order = {}) {
      const one = startConsumer({ url: brokerUrl(), destination, ...order })
      processes.push(one)
      await one.said('started')
      return one
    },
    waiting: () => withChannel(async (channel) => (await channel.checkQueue(`${destination}.billing`)).messageCount),
  }
}

describe('a handler that blocks the event loop past the heartbeats', () => {
  it(
    'loses nothing: its late answer does nothing, is counted, and the message comes again',
    { timeout: 120_000 },
    async () => {
      const destination = uniqueDestination()
      used.add(destination)
      const transport = createRabbitMq({ urls: [brokerUrl()], heartbeatMs: 2_000 })
      closers.push(() => transport.close(after(5_000)))
      await transport.connect(contextOf(), [destination], within(20_000))
      let calls = 0
      const inbox = await openInbox(transport, subscriptionTo(destination), (delivery) => {
        calls += 1
        if (calls > 1) return delivery.complete()
        const end = performance.now() + 9_000
        while (performance.now() < end);
        // As a handler does that awaited something: the client has learned of its death meanwhile.
        setTimeout(() => delivery.complete(), 500)
      })
      const sent = message()
      await sendTo(transport, { destination }, sent)
      await eventually(() => inbox.all.length === 2)
      expect(inbox.all.map(({ id }) => id)).toEqual([sent.id, sent.id])
      await eventually(() => transport.health().counts?.['staleSettlements'] === 1)
      const { counts, eventLoopDelayMs } = transport.health()
      expect(counts).toMatchObject({ loopBlocks: 1 })
      expect(eventLoopDelayMs).toBeGreaterThan(8_000)
      await sendTo(transport, { destination })
      await eventually(() => inbox.all.length === 3)
    },
  )
})

describe('a process that is told to stop under load', () => {
  it('handles everything once over ten rolling restarts', { timeout: 240_000 }, async () => {
    const bench = await createBench()
    const order = { handleMs: 20, consumer: { concurrency: 10, maxInFlight: 30 } }
    let current = await bench.start(order)
    const handled: string[] = []
    let count = 0
    let isOver = false
    const publishing = (async () => {
      while (!isOver) {
        count += 1
        await bench.publish(`m-${count}`)
      }
    })()
    for (let round = 0; round < 10; round += 1) {
      const handledBefore = current.handled.length
      const one = current
      await eventually(() => one.handled.length > handledBefore + 20)
      const next = await bench.start(order)
      one.child.kill('SIGTERM')
      expect(await one.ended).toBe('0')
      handled.push(...one.handled)
      current = next
    }
    isOver = true
    await publishing
    const all = (): string[] => [...handled, ...current.handled]
    await eventually(() => new Set(all()).size === count, 60_000)
    // Handlers end in time, so that nothing comes twice.
    expect(all()).toHaveLength(count)
  })

  it('and cannot end its handlers in time leaves them to the next, in its deadline', { timeout: 120_000 }, async () => {
    const bench = await createBench()
    const slow = await bench.start({ handleMs: 60_000, stopMs: 1_000, consumer: { concurrency: 10, maxInFlight: 30 } })
    for (let n = 0; n < 30; n += 1) await bench.publish(`m-${n}`)
    await eventually(async () => (await bench.waiting()) === 0)
    slow.child.kill('SIGTERM')
    await slow.said('stopped')
    slow.child.kill('SIGKILL')
    const next = await bench.start()
    await eventually(() => next.handled.length === 30)
    expect(new Set(next.handled).size).toBe(30)
  })
})

describe('a process with a small heap', () => {
  it('survives a large backlog of small messages and one of large ones', { timeout: 240_000 }, async () => {
    const bench = await createBench()
    const first = await bench.start()
    first.child.kill('SIGTERM')
    await first.ended
    const window = async (total: number, filler: string, prefix: string): Promise<void> => {
      let next = 0
      const worker = async (): Promise<void> => {
        while (next < total) await bench.publish(`${prefix}-${next++}`, filler)
      }
      await Promise.all(Array.from({ length: filler.length > 10_000 ? 5 : 500 }, worker))
    }
    await window(30_000, 'x'.repeat(1_000), 'small')
    await window(150, 'x'.repeat(1_000_000), 'large')
    const small = await bench.start({
      nodeArgs: ['--max-old-space-size=128', '--max-semi-space-size=8'],
      handleMs: 1,
      consumer: { maxInFlight: 10_000, maxInFlightBytes: 16_000_000, concurrency: 100 },
    })
    await eventually(() => small.handled.length >= 30_150, 120_000)
    expect(new Set(small.handled).size).toBe(30_150)
    expect(small.child.exitCode).toBeNull()
  })
})
