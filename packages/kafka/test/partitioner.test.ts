import { describe, expect, it } from 'vitest'
import { murmur2 } from '../src/murmur2.js'
import type { KafkaOptions, PartitionerInput } from '../src/options.js'
import { createTopicPartitioner } from '../src/partitioner.js'
import type { TopicPartitioner } from '../src/partitioner.js'
import { settled } from './support/manualClock.js'
import { createRig, notSent } from './support/senderRig.js'

type Choice = NonNullable<KafkaOptions['partitioner']>

function partitionerOf(partitioner: Choice, failing: readonly number[] = []): TopicPartitioner {
  return createTopicPartitioner({ topic: 'orders', partitioner, isFailing: (partition) => failing.includes(partition) })
}

const keyless = { key: null, headers: {} }
const keyed = (key: string): typeof keyless => ({ key, headers: {} }) as unknown as typeof keyless
const javaPartition = (key: string, count: number): number => (murmur2(Buffer.from(key)) & 0x7fffffff) % count

describe('a key', () => {
  it.each(['sticky', 'roundRobin'] as const)('goes where Java sends it, with %s for messages without one', (choice) => {
    const partitioner = partitionerOf(choice)
    const keys = ['', 'k', 'käse', '😀'.repeat(3), 'x'.repeat(300), 'ß'.repeat(2_000), 'foobar']
    for (const key of keys) {
      for (const count of [1, 2, 7, 60]) {
        expect(partitioner.partitionOf(keyed(key), count)).toBe(javaPartition(key, count))
      }
    }
  })

  it('goes there also while sends to its partition fail', () => {
    expect(partitionerOf('sticky', [0, 1, 2, 3, 4, 5]).partitionOf(keyed('foobar'), 6)).toBe(javaPartition('foobar', 6))
  })
})

describe('messages without a key', () => {
  it('stay with a partition until its batch leaves', () => {
    const partitioner = partitionerOf('sticky')
    const first = partitioner.partitionOf(keyless, 6)
    for (let index = 0; index < 10; index += 1) expect(partitioner.partitionOf(keyless, 6)).toBe(first)
    partitioner.onBatch((first + 3) % 6)
    expect(partitioner.partitionOf(keyless, 6)).toBe(first)
    partitioner.onBatch(first)
    expect(partitioner.partitionOf(keyless, 6)).toBe((first + 1) % 6)
  })

  it('take turns with roundRobin, whatever leaves', () => {
    const partitioner = partitionerOf('roundRobin')
    const seen = Array.from({ length: 12 }, () => {
      const partition = partitioner.partitionOf(keyless, 6)
      partitioner.onBatch(partition)
      return partition
    })
    expect(new Set(seen.slice(0, 6)).size).toBe(6)
    expect(seen.slice(6)).toEqual(seen.slice(0, 6))
  })

  it('go past partitions whose sends fail, and to one of them when all do', () => {
    const seen = Array.from({ length: 4 }, () => partitionerOf('roundRobin', [0, 1, 3]).partitionOf(keyless, 4))
    expect(seen).toEqual([2, 2, 2, 2])
    expect(partitionerOf('sticky', [0, 1]).partitionOf(keyless, 2)).toBeGreaterThanOrEqual(0)
  })
})

describe('a partitioner of the user', () => {
  it('gets what it may choose by, and leaves others to us', () => {
    const asked: PartitionerInput[] = []
    const partitioner = partitionerOf((input) => {
      asked.push(input)
      return input.key === 'mine' ? 5 : undefined
    })
    expect(partitioner.partitionOf({ key: 'mine', headers: { h: '1' } }, 6)).toBe(5)
    expect(partitioner.partitionOf(keyed('foobar'), 6)).toBe(javaPartition('foobar', 6))
    expect(partitioner.partitionOf(keyless, 6)).toBe(partitioner.partitionOf(keyless, 6))
    expect(asked[0]).toEqual({ topic: 'orders', partitions: 6, key: 'mine', headers: { h: '1' } })
    expect(asked[2]).toMatchObject({ key: undefined })
  })

  it.each([6, -1, 1.5, NaN, '1', null])('that chooses %s costs the message alone, which is not sent', async (wrong) => {
    const partitioner = ({ key }: PartitionerInput): number => (key === 'bad' ? (wrong as number) : 1)
    const { driver, outcomes, send } = await createRig({ partitioner }, { orders: 2 })
    send('a', { key: 'good' })
    send('b', { key: 'bad' })
    await settled()
    driver.sends[0]!.confirm()
    await settled()
    expect(driver.sends.map(({ batch, texts }) => [batch.partition, texts])).toEqual([[1, ['a']]])
    expect(outcomes.get('a')).toBe('confirmed')
    expect(outcomes.get('b')).toMatchObject(notSent('POSTHORN_PUBLISH_FAILED'))
  })

  it('that throws costs the message alone', async () => {
    const partitioner = (): number => {
      throw new Error('no idea')
    }
    const { outcomes, send, transport } = await createRig({ partitioner })
    send('a')
    await settled()
    expect(outcomes.get('a')).toMatchObject(notSent('POSTHORN_PUBLISH_FAILED'))
    expect(transport.health().state).toBe('ready')
  })
})
