import { keyHeader } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import { createRecordMaker } from '../src/messageMapping.js'
import { murmur2 } from '../src/murmur2.js'
import { createTopicPartitioner } from '../src/partitioner.js'
import { PartitionDelivery } from '../src/partitionDelivery.js'
import { wireMessage } from './support/broker.js'
import { record } from './support/fakeDriver.js'

const { toRecord } = createRecordMaker()

function delivered(key: Buffer | null, headers: Readonly<Record<string, string>> = {}): PartitionDelivery<object> {
  const source = { topic: 'orders', partition: 0, lost: new AbortController().signal, settle: () => {} }
  const read = { headers: Object.freeze({ ...headers }), contentType: 'a/b' }
  return new PartitionDelivery(source, { item: {}, record: record(1, { key }), read, brokerRedeliveries: 0 })
}

/** As a copy for a retry or the dead letters is made of it. */
function copied({ headers, partitionKey }: PartitionDelivery<object>): ReturnType<typeof toRecord> {
  return toRecord(wireMessage({ id: 'm', headers, ...(partitionKey === undefined ? {} : { partitionKey }) }), 0)
}

const long = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0x8f])
const keys: readonly (readonly [string, Buffer])[] = [
  ['a long', long],
  ['a UUID', Buffer.from('f81d4fae7dec11d0a76500a0c91e6bf6', 'hex')],
  ['half a surrogate pair', Buffer.from([0xed, 0xa0, 0x80])],
  ['a cut character', Buffer.from('käse').subarray(0, 2)],
]

describe('a key that is no UTF-8', () => {
  it.each(keys)('(%s) is on a copy as it was, and chooses the same partition', (_what, key) => {
    const { key: bytes, headers } = copied(delivered(key, { h: '1' }))
    expect(bytes).toEqual(key)
    expect(headers).toEqual({ h: '1', 'content-type': 'text/plain' })
    const partitioner = createTopicPartitioner({ topic: 'orders', partitioner: 'sticky', isFailing: () => false })
    for (const count of [2, 6, 60]) {
      const java = (murmur2(key) & 0x7fffffff) % count
      expect(partitioner.partitionOf({ key: bytes, headers }, count)).toBe(java)
    }
  })

  it('is text to a handler, and to a partitioner', () => {
    expect(delivered(long).partitionKey).toBe(long.toString())
    const seen: unknown[] = []
    const partitioner = (input: { readonly key: string | undefined }): number => seen.push(input.key) - 1
    createTopicPartitioner({ topic: 'orders', partitioner, isFailing: () => false }).partitionOf(
      { key: long, headers: {} },
      2,
    )
    expect(seen).toEqual([long.toString()])
  })

  it('comes back where only the headers are kept, and gives way to another key', () => {
    const { headers } = delivered(long)
    expect(toRecord(wireMessage({ id: 'm', headers }), 0).key).toEqual(long)
    expect(toRecord(wireMessage({ id: 'm', headers, partitionKey: 'other' }), 0).key).toBe('other')
  })
})

describe('a key that is UTF-8', () => {
  it.each(['', 'k', 'käse', '😀', '\uFFFD', '\uFEFFk'])('(%j) has no header', (text) => {
    const delivery = delivered(Buffer.from(text))
    expect(delivery.partitionKey).toBe(text)
    expect(Object.keys(delivery.headers)).toEqual([])
    expect(copied(delivery).key).toBe(text)
  })

  it('like none at all, leaves the headers as they were read', () => {
    expect(delivered(null).headers).not.toHaveProperty(keyHeader)
    expect(delivered(null).partitionKey).toBeUndefined()
  })
})
