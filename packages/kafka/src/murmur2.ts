const seed = 0x9747b28c
const multiplier = 0x5bd1e995

/** The hash by which Java's client chooses partitions, of the first `length` bytes, as a signed 32-bit number. */
export function murmur2(data: Uint8Array, length: number = data.length): number {
  const aligned = length & ~3
  let hash = seed ^ length
  for (let at = 0; at < aligned; at += 4) {
    let word = data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16) | (data[at + 3]! << 24)
    word = Math.imul(word, multiplier)
    word ^= word >>> 24
    hash = Math.imul(hash, multiplier) ^ Math.imul(word, multiplier)
  }
  if (length > aligned) {
    if (length - aligned === 3) hash ^= data[aligned + 2]! << 16
    if (length - aligned >= 2) hash ^= data[aligned + 1]! << 8
    hash = Math.imul(hash ^ data[aligned]!, multiplier)
  }
  hash = Math.imul(hash ^ (hash >>> 13), multiplier)
  return hash ^ (hash >>> 15)
}

/** The partition of a key among `count`, the same as Java's default partitioner chooses. */
export function partitionOfKey(key: Uint8Array, count: number, length: number = key.length): number {
  return (murmur2(key, length) & 0x7fffffff) % count
}
