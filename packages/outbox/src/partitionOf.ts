const encoder = new TextEncoder()

/**
 * The partition of a partition key (of a message without one: of its id), the same in every release and on every machine:
 * FNV-1a of 32 bits over the UTF-8 bytes, mixed as MurmurHash3 ends, modulo the count. Stores that several processes write to
 * must use it, or one key's messages would stand in two partitions, without order between them.
 */
export function partitionOf(key: string, partitionCount: number): number {
  let hash = 0x811c9dc5
  for (const byte of encoder.encode(key)) hash = Math.imul(hash ^ byte, 0x01000193)
  // Without mixing, keys that differ in the last digit only would fill few of 64 partitions: the low bits hardly differ.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) % partitionCount
}
