import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import zlib from 'node:zlib'
import type { Codec } from './driver/driverCapabilities.js'

/** How batches of records are compressed. */
export type Compression = 'none' | Codec

/** One way to compress the records of a batch, as every client of Kafka reads it. */
export interface BatchCodec {
  /** Kafka's number of it. */
  readonly number: number
  readonly compress: Transform
  readonly decompress: Transform
}

type Transform = (bytes: Buffer) => Promise<Buffer>

const load = createRequire(import.meta.url)

/** Node.js 22.15 and later. */
interface ZstdOfNode {
  readonly zstdCompress?: unknown
  readonly zstdDecompress?: unknown
}

interface SnappyPackage {
  readonly compress: Transform
  readonly uncompress: Transform
}

interface Lz4Package {
  readonly compressFrame: Transform
  readonly decompressFrame: Transform
}

const makers: Readonly<Record<Codec, () => BatchCodec>> = {
  gzip: () => ({ number: 1, compress: promisify(zlib.gzip), decompress: promisify(zlib.gunzip) }),
  snappy() {
    const { compress, uncompress } = load('snappy') as SnappyPackage
    return { number: 2, compress, decompress: (bytes) => decompressSnappy(bytes, uncompress) }
  },
  lz4() {
    const { compressFrame, decompressFrame } = load('lz4-napi') as Lz4Package
    return { number: 3, compress: compressFrame, decompress: decompressFrame }
  },
  zstd() {
    const { zstdCompress, zstdDecompress } = zlib as ZstdOfNode
    if (typeof zstdCompress !== 'function' || typeof zstdDecompress !== 'function')
      throw new Error('not in this Node.js')
    const callable = (work: unknown): Transform => promisify(work as typeof zlib.gzip)
    return { number: 4, compress: callable(zstdCompress), decompress: callable(zstdDecompress) }
  },
}

const needs: Readonly<Record<Codec, string>> = {
  gzip: 'nothing',
  snappy: 'the package snappy: npm install snappy',
  lz4: 'the package lz4-napi: npm install lz4-napi',
  zstd: 'Node.js 22.15 or later',
}

/** The codec, or undefined where what it needs is not there. */
export function codecOf(compression: Codec): BatchCodec | undefined {
  try {
    return makers[compression]()
  } catch {
    return undefined
  }
}

/** What is missing for a codec; undefined when it can be used. */
export function compressionProblem(compression: Compression): string | undefined {
  if (compression === 'none' || codecOf(compression) !== undefined) return undefined
  return `compression '${compression}' needs ${needs[compression]}`
}

/** What Java's client puts before blocks of a length each, instead of one block alone ("xerial"); both are allowed. */
const blocksMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0])
const blocksStart = blocksMagic.length + 8

async function decompressSnappy(bytes: Buffer, uncompress: Transform): Promise<Buffer> {
  if (!bytes.subarray(0, blocksMagic.length).equals(blocksMagic)) return uncompress(bytes)
  const blocks: Buffer[] = []
  for (let at = blocksStart; at < bytes.length;) {
    const length = bytes.readInt32BE(at)
    blocks.push(await uncompress(bytes.subarray(at + 4, at + 4 + length)))
    at += 4 + length
  }
  return Buffer.concat(blocks)
}
