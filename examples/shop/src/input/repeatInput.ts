import { Readable } from 'node:stream'
import { setTimeout as rest } from 'node:timers/promises'
import { ShopError } from '../shopError.js'
import { openInput, readLines } from './readLines.js'
import type { Input } from './readLines.js'

/** So many lines a second: enough for lines in a dashboard, and few enough for a small machine. */
const linesPerSecond = 10

/** The lines of a file again and again, at a steady pace, for so long. Lines that are too long to be read are left out. */
export async function repeatInput(path: string, durationMs: number): Promise<Input> {
  if (path === '-') throw new ShopError('SHOP_BAD_INPUT', 'Standard input can be read once only: name a file of orders')
  // Told at once, and not when the first round begins.
  const { stream } = await openInput(path)
  stream.destroy()
  return { name: path, totalBytes: undefined, stream: Readable.from(paced(path, durationMs)) }
}

async function* paced(path: string, durationMs: number): AsyncGenerator<Uint8Array> {
  const startedAt = performance.now()
  let count = 0
  for (let before = -1; before < count;) {
    before = count // A round without a line is the last: it would be repeated as fast as it can be read.
    for await (const lines of readLines(await openInput(path))) {
      for (const { bytes } of lines) {
        if (bytes === undefined) continue
        yield Buffer.concat([bytes, newline])
        count += 1
        const dueMs = startedAt + (count * 1_000) / linesPerSecond - performance.now()
        if (dueMs > 0) await rest(dueMs)
        if (performance.now() - startedAt >= durationMs) return
      }
    }
  }
}

const newline = Buffer.from('\n')
