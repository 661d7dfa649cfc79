import { createRequire } from 'node:module'

/*
 * The protocol modules that kafkajs ships, for fakes and as a second opinion on what we encode ourselves.
 */
const load = createRequire(import.meta.url)

/** Reads Kafka's primitive types, one after the other. */
export interface Decoder {
  readInt8(): number
  readInt16(): number
  readInt32(): number
  readInt64(): { toString(): string }
  readString(): string | null
  readBoolean(): boolean
  readBytes(length?: number): Buffer | null
  readArray<T>(read: (decoder: Decoder) => T): T[]
  readAll(): Buffer
  slice(length: number): Decoder
  forward(length: number): void
}

/** Writes them. */
export interface Encoder {
  readonly buffer: Buffer
  writeInt8(value: number): Encoder
  writeInt16(value: number): Encoder
  writeInt32(value: number): Encoder
  writeInt64(value: number | string): Encoder
  writeString(value: string | null): Encoder
  writeBoolean(value: boolean): Encoder
  writeArray(values: readonly unknown[]): Encoder
  writeEncoder(value: Encoder): Encoder
}

/** A record batch as kafkajs reads it. */
export interface DecodedBatch {
  readonly firstOffset: string
  readonly firstTimestamp: string
  readonly maxTimestamp: string
  readonly producerId: string
  readonly producerEpoch: number
  readonly firstSequence: number
  readonly lastOffsetDelta: number
  readonly inTransaction: boolean
  readonly records: readonly {
    readonly offset: string
    readonly timestamp: string
    readonly key: Buffer | null
    readonly value: Buffer | null
    readonly headers: Readonly<Record<string, Buffer | readonly Buffer[]>>
  }[]
}

export const KafkaDecoder: new (bytes: Buffer) => Decoder = load('kafkajs/src/protocol/decoder')
export const KafkaEncoder: new () => Encoder = load('kafkajs/src/protocol/encoder')
export const decodeRecordBatch: (decoder: Decoder) => Promise<DecodedBatch> = load(
  'kafkajs/src/protocol/recordBatch/v0/decoder',
)
export const kafkajsCrc32c: (bytes: Buffer) => number = load('kafkajs/src/protocol/recordBatch/crc32C/index')
