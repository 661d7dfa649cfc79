import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { ShopError } from '../shopError.js'
import { createLineSplitter } from './lineSplitter.js'
import type { InputLine } from './lineSplitter.js'
import { maxLineBytes } from './parseLine.js'

/** Something to read lines from. */
export interface Input {
  /** For people: a path, or `standard input`. */
  readonly name: string
  /** Undefined where nobody knows, as with a pipe. */
  readonly totalBytes: number | undefined
  readonly stream: Readable
}

/** Opens a file, or standard input for `-`; throws `SHOP_BAD_INPUT` at once where there is nothing to read. */
export async function openInput(path: string): Promise<Input> {
  if (path === '-') return { name: 'standard input', totalBytes: undefined, stream: process.stdin }
  try {
    const file = await open(path)
    const facts = await file.stat()
    if (facts.isDirectory()) {
      await file.close()
      throw new ShopError('SHOP_BAD_INPUT', `${path} is a folder; name a file of orders, or - for standard input`)
    }
    // A pipe or a device has a size of 0 and something to read all the same.
    return { name: path, totalBytes: facts.isFile() ? facts.size : undefined, stream: file.createReadStream() }
  } catch (error) {
    if (error instanceof ShopError) throw error
    throw new ShopError('SHOP_BAD_INPUT', `${path} cannot be read: ${reasonOf(error)}`)
  }
}

/** A few lines at a time, as they are read; memory is bounded whatever the input is. */
export async function* readLines(
  { name, stream }: Input,
  onBytes: (count: number) => void = () => {},
): AsyncGenerator<readonly InputLine[]> {
  const splitter = createLineSplitter(maxLineBytes)
  try {
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      onBytes(chunk.length)
      yield splitter.push(chunk)
    }
  } catch (error) {
    throw new ShopError('SHOP_BAD_INPUT', `${name} cannot be read to its end: ${reasonOf(error)}`)
  }
  yield splitter.end()
}

function reasonOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOENT') return 'there is no such file'
  if (code === 'EACCES') return 'permission denied'
  return code ?? 'unknown error'
}
