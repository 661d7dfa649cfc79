import { describe, expect, test } from 'vitest'
import { createLineSplitter } from '../../src/input/lineSplitter.js'

/** Lines as `number:text`, or `number:-` for one that was too long; the input is cut into chunks of `chunkBytes`. */
function split(input: string | Buffer, options: { maxLineBytes?: number; chunkBytes?: number } = {}): string[] {
  const { maxLineBytes = 1_000, chunkBytes = Infinity } = options
  const bytes = Buffer.from(input)
  const splitter = createLineSplitter(maxLineBytes)
  const lines = []
  const step = Math.min(chunkBytes, bytes.length || 1)
  for (let at = 0; at < bytes.length; at += step) {
    const chunk = Buffer.from(bytes.subarray(at, at + step))
    for (const line of splitter.push(chunk)) lines.push({ ...line, bytes: line.bytes && Buffer.from(line.bytes) })
    chunk.fill(0) // What is kept must not live in the memory of a chunk.
  }
  lines.push(...splitter.end())
  return lines.map(({ number, bytes: found }) => `${number}:${found ? Buffer.from(found).toString() : '-'}`)
}

describe('lines', () => {
  test.each([1, 2, 3, 7, Infinity])('are the same whatever the chunks are (%s bytes)', (chunkBytes) => {
    expect(split('one\ntwo\r\n\nfour', { chunkBytes })).toEqual(['1:one', '2:two', '4:four'])
  })

  test('are counted with the blank ones, which are not among them', () => {
    expect(split('\n \n\t\r\nfour\n\n\nseven\n')).toEqual(['4:four', '7:seven'])
  })

  test('may end without a line break, and an empty input has none', () => {
    expect(split('last')).toEqual(['1:last'])
    expect(split('')).toEqual([])
    expect(split('\n')).toEqual([])
    expect(split('  ')).toEqual([])
  })

  test('with a byte order mark and nothing else are blank', () => {
    expect(split('\uFEFF\n\uFEFF \r\nthree')).toEqual(['3:three'])
  })

  test('keep a carriage return in their middle', () => {
    expect(split('a\rb\r\n')).toEqual(['1:a\rb'])
  })
})

describe('the longest line', () => {
  test.each([1, 4, Infinity])('has exactly the allowed length, its line break aside (chunks of %s)', (chunkBytes) => {
    const options = { maxLineBytes: 5, chunkBytes }
    expect(split('12345\n12345\r\n123456\n12345', options)).toEqual(['1:12345', '2:12345', '3:-', '4:12345'])
    expect(split('123456\r\n123456', options)).toEqual(['1:-', '2:-'])
    expect(split(`${'x'.repeat(400)}\nok\n`, options)).toEqual(['1:-', '2:ok'])
  })

  test('takes no memory beyond the limit, however long it is', () => {
    const splitter = createLineSplitter(1_000)
    const chunk = Buffer.alloc(1_048_576, 'x')
    const before = process.memoryUsage().arrayBuffers
    for (let mebibytes = 0; mebibytes < 256; mebibytes += 1) expect(splitter.push(chunk)).toEqual([])
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1_048_576)
    expect(splitter.push(Buffer.from('\n'))).toEqual([{ number: 1, bytes: undefined }])
  })
})
