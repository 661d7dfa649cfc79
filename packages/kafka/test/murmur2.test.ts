import { describe, expect, it } from 'vitest'
import { murmur2, partitionOfKey } from '../src/murmur2.js'

/** From `UtilsTest.testMurmur2` of Kafka's Java client. */
const vectors: [string, number][] = [
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
]

describe('murmur2', () => {
  it.each(vectors)('hashes %s as Java does', (text, hash) => {
    expect(murmur2(Buffer.from(text))).toBe(hash)
  })

  it('hashes what is empty', () => {
    expect(murmur2(new Uint8Array())).toBe(275646681)
  })

  it('chooses a partition that is there, also for a negative hash', () => {
    expect(partitionOfKey(Buffer.from('foobar'), 6)).toBe((-790332482 & 0x7fffffff) % 6)
    for (const count of [1, 2, 7, 60]) {
      for (let index = 0; index < 200; index += 1) {
        const partition = partitionOfKey(Buffer.from(`key-${index}`), count)
        expect(partition).toBeGreaterThanOrEqual(0)
        expect(partition).toBeLessThan(count)
      }
    }
  })
})
