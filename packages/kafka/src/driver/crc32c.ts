/*
 * CRC-32C (RFC 3720, appendix B.4), eight bytes a step: a third of what a table of single bytes takes, as kafkajs has it.
 */
const polynomial = 0x82f63b78
const tables: Int32Array = createTables()
const noWords: Int32Array = new Int32Array()

/** The checksum of Kafka's record batches over `bytes` from one index up to another, as an unsigned number. */
export function crc32c(bytes: Uint8Array, from: number, to: number): number {
  let crc = -1
  let at = from
  while (at < to && ((bytes.byteOffset + at) & 3) !== 0) crc = step(crc, bytes[at++]!)
  const count = littleEndian ? ((to - at) >>> 3) * 2 : 0
  const words = count === 0 ? noWords : new Int32Array(bytes.buffer, bytes.byteOffset + at, count)
  for (let index = 0; index < count; index += 2) {
    const low = crc ^ words[index]!
    const high = words[index + 1]!
    crc =
      tables[0x700 + (low & 0xff)]! ^
      tables[0x600 + ((low >>> 8) & 0xff)]! ^
      tables[0x500 + ((low >>> 16) & 0xff)]! ^
      tables[0x400 + (low >>> 24)]! ^
      tables[0x300 + (high & 0xff)]! ^
      tables[0x200 + ((high >>> 8) & 0xff)]! ^
      tables[0x100 + ((high >>> 16) & 0xff)]! ^
      tables[high >>> 24]!
  }
  for (at += count * 4; at < to; at += 1) crc = step(crc, bytes[at]!)
  return ~crc >>> 0
}

function step(crc: number, byte: number): number {
  return tables[(crc ^ byte) & 0xff]! ^ (crc >>> 8)
}

function createTables(): Int32Array {
  const made = new Int32Array(8 * 256)
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 1 ? (crc >>> 1) ^ polynomial : crc >>> 1
    made[byte] = crc
  }
  for (let index = 256; index < made.length; index += 1) {
    const before = made[index - 256]!
    made[index] = (before >>> 8) ^ made[before & 0xff]!
  }
  return made
}

const littleEndian: boolean = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1
