/** Reads Kafka's types off one buffer, from `at` on. Byte strings are views, not copies. */
export class ByteReader {
  at = 0
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  skip(length: number): void {
    this.at += length
  }

  int16(): number {
    this.at += 2
    return this.#bytes.readInt16BE(this.at - 2)
  }

  int32(): number {
    this.at += 4
    return this.#bytes.readInt32BE(this.at - 4)
  }

  int64(): bigint {
    this.at += 8
    return this.#bytes.readBigInt64BE(this.at - 8)
  }

  /** Offsets and times stay far below what a number keeps exactly. */
  offset(): number {
    return Number(this.int64())
  }

  take(length: number): Buffer {
    const end = this.at + length
    if (length < 0 || end > this.#bytes.length) throw new RangeError(`${length} bytes are not there`)
    const taken = this.#bytes.subarray(this.at, end)
    this.at = end
    return taken
  }

  unsignedVarint(): number {
    const bytes = this.#bytes
    let byte = bytes[this.at++]!
    if (byte < 128) return byte
    let value = byte & 127
    for (let factor = 128; byte >= 128; factor *= 128) {
      byte = bytes[this.at++]!
      if (byte === undefined) throw new RangeError('A number is cut off')
      value += (byte & 127) * factor
    }
    return value
  }

  /** In zigzag form. */
  varint(): number {
    const value = this.unsignedVarint()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  /** A length of -1 is null. */
  varintBytes(): Buffer | null {
    const length = this.varint()
    return length < 0 ? null : this.take(length)
  }

  /** Of the compact form, where zero is null. */
  compactBytes(): Buffer | null {
    const length = this.unsignedVarint() - 1
    return length < 0 ? null : this.take(length)
  }

  compactArray<T>(read: () => T): T[] {
    const length = this.unsignedVarint() - 1
    const items: T[] = []
    for (let index = 0; index < length; index += 1) items.push(read())
    return items
  }

  /** Fields that newer brokers add; those that are not asked for are passed. */
  tagged(read: Readonly<Record<number, (field: ByteReader) => void>> = {}): void {
    const count = this.unsignedVarint()
    for (let index = 0; index < count; index += 1) {
      const tag = this.unsignedVarint()
      const field = this.take(this.unsignedVarint())
      read[tag]?.(new ByteReader(field))
    }
  }
}
