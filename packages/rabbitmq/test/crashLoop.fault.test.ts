import { createService, silentLogger } from '@posthorn/core'
import type { Service } from '@posthorn/core'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { acquireRabbitMq } from '../../../test/stack/src/index.js'
import type { RabbitMq, RabbitMqVersion } from '../../../test/stack/src/index.js'
import { createRabbitMq } from '../src/index.js'
import { eventually, uniqueDestination, withChannel } from './broker.js'
import { childContract, startConsumer } from './support/consumerProcess.js'
import type { ConsumerProcess } from './support/consumerProcess.js'

/** With the fewest crashes that are allowed without blaming others: before 4.3 a stop may have given messages back, too. */
const versions: readonly { version: RabbitMqVersion; maxCrashes: number }[] = [
  { version: '4.3', maxCrashes: 1 },
  { version: '3.10', maxCrashes: 3 },
]
const brokers = new Map<RabbitMqVersion, RabbitMq>()
const services: Service[] = []
const processes: ConsumerProcess[] = []
const used: { url: string; destination: string }[] = []

afterEach(async () => {
  for (const { child } of processes.splice(0)) child.kill('SIGKILL')
  await Promise.all(services.splice(0).map((service) => service.stop()))
  for (const { url, destination } of used.splice(0)) {
    await withChannel(async (channel) => {
      await channel.deleteExchange(destination)
      for (const queue of ['', '.dead']) await channel.deleteQueue(`${destination}.billing${queue}`)
    }, url)
  }
})
afterAll(() => Promise.all([...brokers.values()].map((broker) => broker.release())))

async function urlOf(version: RabbitMqVersion): Promise<string> {
  const broker = brokers.get(version) ?? (await acquireRabbitMq({ version }))
  brokers.set(version, broker)
  return broker.urls[0] as string
}

interface Outcome {
  readonly deadLetters: { readonly id: string | undefined; readonly reason: string }[]
  readonly handled: Map<string, number>
  readonly starts: number
}

/** Starts a consumer again whenever it was killed by its message, until everything has ended somewhere. */
async function crashAgainAndAgain(url: string, consumer: object, kinds: readonly string[]): Promise<Outcome> {
  const destination = uniqueDestination()
  used.push({ url, destination })
  const contract = childContract(destination)
  const outcome: Outcome & { starts: number } = { deadLetters: [], handled: new Map(), starts: 0 }
  const service = createService({ source: '/test', transport: createRabbitMq({ urls: [url] }), logger: silentLogger })
  services.push(service)
  service.readDeadLetters({ destination, group: 'billing' }, ({ envelope, reason }) => {
    outcome.deadLetters.push({ id: envelope?.id, reason })
  })
  await service.start()
  // The queue has to be there before the messages are.
  const first = startConsumer({ url, destination, consumer })
  processes.push(first)
  await first.said('started')
  first.child.kill('SIGKILL')
  await first.ended
  await Promise.all(
    kinds.map((kind, index) =>
      service.publish(contract, { kind }, { id: `${kind}-${index}`, partitionKey: `k-${index}` }),
    ),
  )
  for (;;) {
    const one = startConsumer({ url, destination, consumer })
    processes.push(one)
    outcome.starts += 1
    const allEnded = (): boolean => {
      const handled = new Set([...outcome.handled.keys(), ...one.handled])
      return kinds.every(
        (kind, index) =>
          handled.has(`${kind}-${index}`) || outcome.deadLetters.some(({ id }) => id === `${kind}-${index}`),
      )
    }
    let isRunning = true
    void one.ended.then(() => (isRunning = false))
    await eventually(() => !isRunning || allEnded(), 60_000)
    const isDone = isRunning
    one.child.kill('SIGKILL')
    await one.ended
    // Until the broker has noticed, it keeps back what the process held, and the next one sees nothing to suspect.
    await eventually(async () => (await consumersOf(url, destination)) === 0, 30_000)
    for (const id of one.handled) outcome.handled.set(id, (outcome.handled.get(id) ?? 0) + 1)
    if (isDone) return outcome
    if (outcome.starts > 30) throw new Error('the loop does not end')
  }
}

async function consumersOf(url: string, destination: string): Promise<number> {
  return withChannel(async (channel) => (await channel.checkQueue(`${destination}.billing`)).consumerCount, url)
}

const goods = Array.from({ length: 80 }, () => 'good')
const withPoisonAt = (...indexes: number[]): string[] =>
  goods.map((kind, index) => (indexes.includes(index) ? 'poison' : kind))

describe.each(versions)('a message that kills its process, on RabbitMQ $version', ({ version, maxCrashes }) => {
  it('is dead-lettered alone, although the process held fifty', { timeout: 240_000 }, async () => {
    const { deadLetters, handled, starts } = await crashAgainAndAgain(
      await urlOf(version),
      { maxInFlight: 50, concurrency: 10, maxCrashes },
      withPoisonAt(20),
    )
    expect(deadLetters).toEqual([{ id: 'poison-20', reason: 'crashLoop' }])
    expect(handled.size).toBe(79)
    // One more crash than it is allowed, and the start that puts it aside.
    expect(starts).toBe(maxCrashes + 2)
  })

  it('is told from two others, and from bystanders, whatever comes first', { timeout: 240_000 }, async () => {
    const { deadLetters, handled } = await crashAgainAndAgain(
      await urlOf(version),
      { maxInFlight: 50, concurrency: 50, maxCrashes },
      withPoisonAt(0, 7, 30),
    )
    expect(deadLetters.map(({ id, reason }) => `${id} ${reason}`).toSorted()).toEqual([
      'poison-0 crashLoop',
      'poison-30 crashLoop',
      'poison-7 crashLoop',
    ])
    expect(handled.size).toBe(77)
  })

  it('is dead-lettered alone in an ordered group', { timeout: 240_000 }, async () => {
    const { deadLetters, handled } = await crashAgainAndAgain(
      await urlOf(version),
      { maxInFlight: 50, order: { by: 'partitionKey' } },
      withPoisonAt(20),
    )
    expect(deadLetters).toEqual([{ id: 'poison-20', reason: 'crashLoop' }])
    expect(handled.size).toBe(79)
  })
})
