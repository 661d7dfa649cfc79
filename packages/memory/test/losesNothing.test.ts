import type { Delivery, RunningSubscription } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import { createMemoryBroker } from '../src/memoryBroker.js'
import { createVirtualClock } from '../src/virtualClock.js'
import type { VirtualClock } from '../src/virtualClock.js'
import { billing, createTestClient, subscriptionOf } from './testClient.js'
import type { TestClient } from './testClient.js'
import { seededRandom } from '../../../test/seededRandom.js'

/*
 * Random operations from a seed against one group. A failure names its seed; to repeat it, put the seed into `seeds`.
 * The ledger is outside the broker: what was confirmed must be completed or still be there, nothing else may appear.
 */
const seeds = Array.from({ length: 150 }, (_, index) => index + 1)
const rungMs = 50
/** A retry is a new message here, so that every message is completed once. */
const retried = 'r'

interface Held {
  readonly delivery: Delivery
  readonly client: TestClient
}

/** Whole numbers that a seed repeats. */
function createRandom(seed: number): (below: number) => number {
  const random = seededRandom(seed)
  return (below) => Math.floor(random() * below)
}

class Run {
  readonly clock: VirtualClock = createVirtualClock()
  readonly broker = createMemoryBroker({ clock: this.clock, partitions: 4, maxMessages: 30 })
  readonly random: (below: number) => number
  readonly ordered: boolean
  readonly clients: TestClient[] = []
  readonly names = new Map<TestClient, number>()
  readonly running: RunningSubscription[] = []
  readonly held: Held[] = []
  /** Messages that must end as completed: confirmed ones, and those whose confirmation was lost. */
  readonly accepted = new Set<string>()
  readonly uncertain = new Set<string>()
  readonly completed = new Set<string>()
  readonly sequences = new Map<string, number[]>()
  readonly seen = new Set<string>()
  readonly surprises: string[] = []
  sent = 0

  constructor(seed: number) {
    this.random = createRandom(seed)
    this.ordered = seed % 2 === 0
  }

  pick<Item>(items: readonly Item[]): Item | undefined {
    return items[this.random(Math.max(1, items.length))]
  }

  async connect(): Promise<void> {
    const client = await createTestClient(this.broker, this.clock)
    this.names.set(client, this.names.size)
    this.clients.push(client)
  }

  async subscribe(): Promise<void> {
    const client = this.pick(this.clients) as TestClient
    const subscription = subscriptionOf({ ordered: this.ordered, rungsMs: [rungMs], maxInFlight: 1 + this.random(6) })
    const onDeliveries = (deliveries: readonly Delivery[]): void => {
      for (const delivery of deliveries) this.receive(delivery, client)
    }
    this.running.push(await client.transport.subscribe(subscription, onDeliveries, client.within()))
  }

  receive(delivery: Delivery, client: TestClient): void {
    const id = delivery.id as string
    if (this.completed.has(id)) this.surprises.push(`${id} came after it was completed`)
    if (!this.accepted.has(id) && !this.uncertain.has(id)) this.surprises.push(`${id} was never sent`)
    this.held.push({ delivery, client })
    if (this.seen.has(id)) return
    this.seen.add(id)
    if (id.startsWith(retried)) return
    const sequence = this.sequences.get(delivery.partitionKey as string) ?? []
    this.sequences.set(delivery.partitionKey as string, [...sequence, Number(id)])
  }

  send(): void {
    const client = this.pick(this.clients) as TestClient
    // Keys of its own for each client: there is no order between the sends of two connections.
    void this.track(client, String((this.sent += 1)), { partitionKey: `${this.names.get(client)}:${this.random(4)}` })
  }

  /** True when the broker confirmed. */
  track(client: TestClient, id: string, overrides: Parameters<TestClient['send']>[1]): Promise<boolean> {
    this.uncertain.add(id)
    return client.send(id, overrides).then(
      () => {
        this.accepted.add(id)
        return true
      },
      (error: { outcome: string }) => {
        // Refused by a full queue, or closed: it must never appear. Lost without confirmation: it may.
        if (error.outcome === 'notSent') this.uncertain.delete(id)
        return false
      },
    )
  }

  settle(how: 'complete' | 'release'): void {
    const [held] = this.held.splice(this.random(Math.max(1, this.held.length)), 1)
    if (held !== undefined) this.finish(held, how)
  }

  finish({ delivery }: Held, how: 'complete' | 'release'): void {
    const before = this.unsettled()
    delivery[how]()
    // Stale deliveries settle nothing: only what the broker took counts.
    if (how === 'complete' && this.unsettled() < before) this.completed.add(delivery.id as string)
  }

  /** As core does it: a confirmed copy in the rung, then the original is completed. */
  async retry(): Promise<void> {
    const held = this.held.shift()
    if (held === undefined) return
    const id = `${retried}${(this.sent += 1)}`
    const overrides = { target: { retry: { ...billing, delayMs: rungMs } }, partitionKey: held.delivery.partitionKey }
    if (await this.track(held.client, id, overrides as object)) this.finish(held, 'complete')
    else this.held.push(held)
  }

  unsettled(): number {
    return this.broker.queues()[0]?.unsettled ?? 0
  }

  async stopOne(): Promise<void> {
    const [stopping] = this.running.splice(this.random(Math.max(1, this.running.length)), 1)
    await stopping?.stop(0)
  }

  async closeOne(): Promise<void> {
    if (this.clients.length < 2) return
    const [closing] = this.clients.splice(this.random(this.clients.length), 1)
    await closing?.transport.close(0)
  }

  async step(): Promise<void> {
    const choice = this.random(100)
    if (choice < 40) this.send()
    else if (choice < 65) this.settle('complete')
    else if (choice < 72) this.settle('release')
    else if (choice < 76) await this.retry()
    else if (choice < 81) await this.subscribe()
    else if (choice < 84) await this.stopOne()
    else if (choice < 86) await this.connect()
    else if (choice < 87) await this.closeOne()
    else if (choice < 89) this.broker.dropConnections()
    else if (choice < 90) await this.outage()
    else await this.clock.advance(this.random(30))
  }

  async outage(): Promise<void> {
    this.broker.down()
    this.send()
    this.send()
    await this.clock.advance(5)
    this.broker.up()
    await this.clock.advance(0)
  }

  /** Completes everything that is left, until all queues are empty. */
  async drain(): Promise<void> {
    await this.clock.advance(0)
    await this.subscribe()
    for (let round = 0; round < 1_000 && this.kept() > 0; round += 1) {
      await this.clock.advance(rungMs)
      while (this.held.length > 0) this.settle('complete')
    }
    await this.clock.advance(0)
  }

  kept(): number {
    return this.broker.queues().reduce((sum, { ready, unsettled }) => sum + ready + unsettled, 0)
  }
}

async function run(seed: number): Promise<Run> {
  const current = new Run(seed)
  await current.connect()
  await current.subscribe()
  for (let steps = 0; steps < 250; steps += 1) await current.step()
  await current.drain()
  return current
}

describe('random operations', () => {
  it.each(seeds)('lose and invent no message, and keep the order of keys (seed %i)', async (seed) => {
    const ended = await run(seed)
    expect(ended.kept()).toBe(0)
    expect(ended.surprises).toEqual([])
    expect([...ended.accepted].filter((id) => !ended.completed.has(id))).toEqual([])
    if (ended.ordered) {
      for (const sequence of ended.sequences.values()) expect(sequence).toEqual(sequence.toSorted((a, b) => a - b))
    }
    for (const client of ended.clients) await client.transport.close(0)
  })
})
