import { describe, expect, it } from 'vitest'
import { murmur2 } from '../src/murmur2.js'

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

  it('hashes as much as it is told to', () => {
    expect(murmur2(Buffer.from('foobarbaz'), 6)).toBe(-790332482)
  })
})
