import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

const pieceLength = 65_536

/** Writes text to standard output as fast as the reader takes it; a reader that goes away ends it without an error. */
export async function writeOut(parts: Iterable<string>): Promise<void> {
  try {
    await pipeline(Readable.from(inPieces(parts)), process.stdout, { end: false })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EPIPE' && code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error
  }
}

/** Fewer, larger writes: a list of rejected lines has many small parts. */
function* inPieces(parts: Iterable<string>): Generator<string> {
  let piece = ''
  for (const part of parts) {
    piece += part
    if (piece.length < pieceLength) continue
    yield piece
    piece = ''
  }
  yield piece
}
