import { once } from 'node:events'

const pieceLength = 65_536

/** Writes text to standard output as fast as the reader takes it; a reader that goes away ends it without an error. */
export async function writeOut(parts: Iterable<string>): Promise<void> {
  let isGone = false
  const onError = (): void => void (isGone = true)
  process.stdout.on('error', onError)
  let piece = ''
  for (const part of parts) {
    piece += part
    if (piece.length < pieceLength) continue
    await write(piece)
    piece = ''
    if (isGone) return
  }
  await write(piece)
}

async function write(text: string): Promise<void> {
  if (process.stdout.write(text)) return
  await Promise.race([once(process.stdout, 'drain'), once(process.stdout, 'close')]).catch(() => {})
}
