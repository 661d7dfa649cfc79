import { describe, expect, it } from 'vitest'
import { createCoalescedAcks } from '../src/coalescedAcks.js'
import type { CoalescedAcks } from '../src/coalescedAcks.js'
import { seededRandom } from '../../../test/seededRandom.js'

/** RabbitMQ's rule for one channel: settling what is not unsettled is a 406 that closes the channel. */
class BrokerChannel {
  readonly unsettled = new Set<number>()
  readonly acked: number[] = []
  readonly requeued: number[] = []
  writes = 0
  #written: (() => void)[] = []

  ack(tag: number, multiple: boolean): void {
    this.#written.push(() => this.#ack(tag, multiple))
  }

  nack(tag: number): void {
    this.#written.push(() => this.#nack(tag))
  }

  flush(): void {
    for (const arrives of this.#written.splice(0)) arrives()
  }

  #ack(tag: number, multiple: boolean): void {
    this.writes += 1
    const tags = multiple ? [...this.unsettled].filter((one) => one <= tag || tag === 0) : [tag]
    if (tag === 0 || !this.unsettled.has(tag)) throw new Error(`406 unknown delivery tag ${tag}`)
    for (const one of tags) {
      this.unsettled.delete(one)
      this.acked.push(one)
    }
  }

  #nack(tag: number): void {
    this.writes += 1
    if (!this.unsettled.delete(tag)) throw new Error(`406 unknown delivery tag ${tag}`)
    this.requeued.push(tag)
  }
}

interface Run {
  readonly broker: BrokerChannel
  readonly acks: CoalescedAcks
  readonly deliver: () => number
}

function run(): Run {
  const broker = new BrokerChannel()
  const acks = createCoalescedAcks(broker)
  let last = 0
  return {
    broker,
    acks,
    deliver() {
      last += 1
      broker.unsettled.add(last)
      acks.delivered(last)
      return last
    },
  }
}

/** Whole numbers that a seed repeats. */
function seeded(seed: number): (below: number) => number {
  const random = seededRandom(seed)
  return (below) => Math.floor(random() * below)
}

describe('coalesced acks', () => {
  it('write one multiple ack for what was completed in one turn', async () => {
    const { broker, acks, deliver } = run()
    for (const tag of Array.from({ length: 50 }, deliver)) acks.complete(tag)
    expect(broker.writes).toBe(0)
    await new Promise((resolve) => setImmediate(resolve))
    expect(broker.writes).toBe(1)
    expect(broker.acked).toHaveLength(50)
  })

  it('ack what is above a slow delivery one by one, in the same flush', () => {
    const { broker, acks, deliver } = run()
    const tags = Array.from({ length: 5 }, deliver)
    for (const tag of tags.slice(1)) acks.complete(tag)
    acks.flush()
    expect(broker.acked).toEqual([2, 3, 4, 5])
    acks.complete(1)
    acks.flush()
    expect(broker.unsettled.size).toBe(0)
    expect(broker.writes).toBe(5)
  })

  it('never ack what is released', () => {
    const { broker, acks, deliver } = run()
    Array.from({ length: 3 }, deliver)
    acks.complete(1)
    acks.release(2)
    acks.complete(3)
    acks.flush()
    expect(broker.requeued).toEqual([2])
    expect(broker.acked).toEqual([1, 3])
  })

  it('settle a delivery once, and nothing after a discard', async () => {
    const { broker, acks, deliver } = run()
    Array.from({ length: 2 }, deliver)
    acks.complete(1)
    acks.release(1)
    acks.complete(1)
    acks.flush()
    expect([broker.acked, broker.requeued]).toEqual([[1], []])
    acks.complete(2)
    acks.discard()
    await new Promise((resolve) => setImmediate(resolve))
    expect(broker.acked).toEqual([1])
  })

  it('wait while they are paused, and are written together afterwards', async () => {
    const { broker, acks, deliver } = run()
    Array.from({ length: 3 }, deliver)
    acks.pause()
    acks.complete(1)
    acks.release(2)
    await new Promise((resolve) => setTimeout(resolve, 10))
    expect(broker.writes).toBe(0)
    acks.resume()
    await expect.poll(() => [broker.acked, broker.requeued]).toEqual([[1], [2]])
    acks.complete(3)
    await expect.poll(() => broker.acked).toEqual([1, 3])
  })

  it('are written by a flush also while they are paused, and never after a discard', async () => {
    const { broker, acks, deliver } = run()
    Array.from({ length: 3 }, deliver)
    acks.flush()
    acks.complete(1)
    acks.pause()
    acks.complete(2)
    acks.flush()
    expect(broker.acked).toEqual([1, 2])
    acks.complete(3)
    acks.discard()
    acks.resume()
    await new Promise((resolve) => setTimeout(resolve, 10))
    expect(broker.acked).toEqual([1, 2])
  })

  it('keep the protocol’s rule in every order of settling', () => {
    for (let seed = 1; seed <= 500; seed += 1) {
      const random = seeded(seed)
      const { broker, acks, deliver } = run()
      const open: number[] = []
      const expected = { completed: [] as number[], released: [] as number[] }
      for (let step = 0; step < 300; step += 1) {
        const what = random(10)
        if (what < 4) open.push(deliver())
        else if (what < 9 && open.length > 0) {
          // Mostly the oldest, as a consumer does; otherwise any.
          const [tag] = open.splice(random(2) === 0 ? 0 : random(open.length), 1) as [number]
          const release = random(8) === 0
          acks[release ? 'release' : 'complete'](tag)
          expected[release ? 'released' : 'completed'].push(tag)
        } else if (what === 9) {
          acks.flush()
          expect(broker.unsettled.size, `seed ${seed}`).toBe(open.length)
        }
      }
      acks.flush()
      const sorted = (tags: readonly number[]): number[] => tags.toSorted((left, right) => left - right)
      expect(sorted(broker.acked), `seed ${seed}`).toEqual(sorted(expected.completed))
      expect(sorted(broker.requeued), `seed ${seed}`).toEqual(sorted(expected.released))
      expect(acks.outstandingCount).toBe(open.length)
    }
  })
})
