import { partitionOf } from '@posthorn/outbox'
import { expect, test } from 'vitest'

test('a key has the same partition in every release: rows that are stored were placed by it', () => {
  // Computed by a program in another language.
  expect(['', 'a', 'order-1', 'order-2', 'Zürich', '🐝'].map((key) => partitionOf(key, 64))).toEqual([
    11, 51, 28, 0, 23, 33,
  ])
  expect(partitionOf('0b1c2d3e-4f50-4617-8283-94a5b6c7d8e9', 1000)).toBe(493)
  expect(partitionOf('a', 1)).toBe(0)
})

test('keys that differ in their last digits fill all partitions about evenly', () => {
  const counts = Array.from({ length: 64 }, () => 0)
  for (let index = 0; index < 64_000; index += 1) {
    const partition = partitionOf(`order-${index}`, 64)
    counts[partition] = (counts[partition] ?? 0) + 1
  }
  expect(Math.min(...counts)).toBeGreaterThan(800)
  expect(Math.max(...counts)).toBeLessThan(1200)
})
