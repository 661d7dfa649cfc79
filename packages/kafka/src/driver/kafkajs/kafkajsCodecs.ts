import kafkajs from 'kafkajs'
import { codecOf } from '../../compression.js'

interface KafkajsCodec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>
  decompress(bytes: Buffer): Promise<Buffer>
}

type Codecs = Record<number, () => KafkajsCodec>

/**
 * Gives kafkajs the codecs that are installed, for batches of other producers too: by itself it reads gzip alone. What a
 * user has registered stays.
 */
export function registerCodecs(): void {
  const codecs = kafkajs.CompressionCodecs as Codecs
  for (const compression of ['snappy', 'lz4', 'zstd'] as const) {
    const codec = codecOf(compression)
    if (codec === undefined || isRegistered(codecs[codec.number])) continue
    const { compress, decompress } = codec
    codecs[codec.number] = () => ({ compress: ({ buffer }) => compress(buffer), decompress })
  }
}

/** Those that are missing throw when they are asked for. */
function isRegistered(codec: (() => KafkajsCodec) | undefined): boolean {
  try {
    return codec?.() !== undefined
  } catch {
    return false
  }
}
