import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { repeatInput } from '../../src/input/repeatInput.js'

let folder = ''
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'posthorn-repeat-'))))
afterEach(() => rmSync(folder, { recursive: true }))

const fileOf = (text: string): string => {
  const file = join(folder, 'orders.ndjson')
  writeFileSync(file, text)
  return file
}

test('gives the lines again and again, ten a second, until the time is over', async () => {
  const startedAt = performance.now()
  const { stream, totalBytes } = await repeatInput(fileOf('a\n\nb\r\nc'), 1_000)
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(990)
  expect(totalBytes).toBeUndefined()
  expect(text).toMatch(/^a\nb\nc\na\nb\n/)
  expect(text.split('\n').length - 1).toBeLessThanOrEqual(11)
})

test('ends at once where there is no line to repeat', async () => {
  const { stream } = await repeatInput(fileOf('\n\n'), 3_600_000)
  for await (const chunk of stream) expect(chunk).toBeUndefined()
})

test('tells at once what cannot be read, or not twice', async () => {
  await expect(repeatInput(join(folder, 'none'), 1_000)).rejects.toMatchObject({ code: 'SHOP_BAD_INPUT' })
  await expect(repeatInput('-', 1_000)).rejects.toMatchObject({ code: 'SHOP_BAD_INPUT' })
})
