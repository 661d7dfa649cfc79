import type { Admin } from 'kafkajs'
import { expect, test } from 'vitest'
import { readCommitted } from '../../../src/driver/kafkajs/kafkajsAdmin.js'

type Asked = Pick<Admin, 'fetchTopicMetadata' | 'fetchOffsets'>
type Offsets = Awaited<ReturnType<Admin['fetchOffsets']>>[number]['partitions']

/** What kafkajs answers: two partitions of the topic, and one list of offsets after the other, the last for ever. */
function adminWith(...answers: readonly Offsets[]): { readonly admin: Asked; readonly asked: () => number } {
  let asked = 0
  const partition = { leader: 1, replicas: [1], isr: [1], partitionErrorCode: 0 }
  const partitions = [0, 1].map((partitionId) => ({ ...partition, partitionId }))
  const admin: Asked = {
    fetchTopicMetadata: () => Promise.resolve({ topics: [{ name: 'orders', partitions }] }),
    fetchOffsets: () =>
      Promise.resolve([{ topic: 'orders', partitions: answers[Math.min(asked++, answers.length - 1)]! }]),
  }
  return { admin, asked: () => asked }
}

const whole: Offsets = [
  { partition: 0, offset: '7', metadata: 'm' },
  { partition: 1, offset: '-1', metadata: null },
]

test('a group that never committed has no offsets', async () => {
  const { admin, asked } = adminWith(whole.map(({ partition }) => ({ partition, offset: '-1', metadata: null })))
  expect(await readCommitted(admin, 'billing', 'orders')).toEqual(new Map())
  expect(asked()).toBe(1)
})

test('an answer that covers no partition, or not all of them, is no answer: it is asked for again', async () => {
  const { admin, asked } = adminWith([], whole.slice(0, 1), whole)
  expect(await readCommitted(admin, 'billing', 'orders')).toEqual(new Map([[0, { offset: 7, metadata: 'm' }]]))
  expect(asked()).toBe(3)
})

test('and where it stays so, the group is not taken for a new one', async () => {
  const { admin } = adminWith([])
  await expect(readCommitted(admin, 'billing', 'orders')).rejects.toMatchObject({ kind: 'unavailable' })
})
