import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openInput, readLines } from '../../src/input/readLines.js'
import { readUsers } from '../../src/input/readUsers.js'

let folder: string
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'shop-'))))
afterEach(() => rm(folder, { recursive: true }))

async function fileOf(content: string): Promise<string> {
  const path = join(folder, 'input.ndjson')
  await writeFile(path, content)
  return path
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list = []
  for await (const item of items) list.push(item)
  return list
}

async function idsOf(content: string): Promise<string[]> {
  return collect(readUsers(await fileOf(content)))
}

test('a file is read to its end, and its size is known', async () => {
  const input = await openInput(await fileOf('one\n\nthree'))
  let bytes = 0
  const lines = (await collect(readLines(input, (count) => (bytes += count)))).flat()
  expect(lines.map(({ number }) => number)).toEqual([1, 3])
  expect({ bytes, total: input.totalBytes }).toEqual({ bytes: 10, total: 10 })
})

test('what cannot be read is told by its code, at once', async () => {
  await expect(openInput(join(folder, 'absent'))).rejects.toMatchObject({ code: 'SHOP_BAD_INPUT' })
  await expect(openInput(folder)).rejects.toMatchObject({ code: 'SHOP_BAD_INPUT' })
})

test('an input that breaks off is told by its code', async () => {
  const stream = Readable.from(
    (async function* () {
      yield Buffer.from('one\n')
      throw new Error('cable cut')
    })(),
  )
  const reading = collect(readLines({ name: 'test', totalBytes: undefined, stream }))
  await expect(reading).rejects.toMatchObject({ code: 'SHOP_BAD_INPUT' })
})

test('users are objects with a userId, JSON strings, or bare ids', async () => {
  expect(await idsOf('\uFEFF{"userId":"a","email":"a@b.example"}\r\n\n"b c"\nd-1\n42\n')).toEqual([
    'a',
    'b c',
    'd-1',
    '42',
  ])
})

test.each(['{"userId":""}', '{"id":"a"}', '{"userId":7}', '["a"]', 'two words', '{"userId":"a"', '""'])(
  'a users file with the line %s is refused with its number',
  async (line) => {
    const reading = idsOf(`fine\n${line}\n`)
    await expect(reading).rejects.toMatchObject({ code: 'SHOP_BAD_USERS_FILE' })
    await expect(reading).rejects.toThrow('line 2')
  },
)
