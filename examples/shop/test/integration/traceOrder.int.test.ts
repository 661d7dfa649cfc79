import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { brokerArgs, brokers } from './brokers.js'

const run = promisify(execFile)
const built = (name: string): string => fileURLToPath(new URL(`../../dist/${name}.js`, import.meta.url))
const docs = new URL('../../../../docs/explanation/', import.meta.url)
const prefix = `traced-${randomUUID().slice(0, 8)}.`

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'posthorn-trace-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Each line of a tree with the ones that it stands under, so that what happens at the same time may change places. */
function paths(tree: readonly string[]): string[] {
  const above: string[] = []
  return tree
    .map((line) => {
      const depth = line.search(/\S/) / 2
      above.splice(depth, Infinity, line.trim())
      return above.join(' > ')
    })
    .sort()
}

const withoutTimes = (line: string): string => line.replaceAll(prefix, '').replace(/ {2}\+.* ms(?= |$)/, '')

test('one order over two brokers, with a retry, is connected as the docs show it', async () => {
  const file = join(folder, 'order.json')
  const picture = join(folder, 'order.svg')
  const addresses = brokers.flatMap((broker) => brokerArgs(broker).slice(2))
  await run(process.execPath, [built('traceOrder'), file, ...addresses, '--prefix', prefix], { timeout: 120_000 })
  const { stdout } = await run(process.execPath, [built('checkTrace'), file, '--svg', picture])
  const [told, , ...tree] = stdout.trimEnd().split('\n')
  expect(told).toContain('3 handled messages, 0 not connected')

  const page = readFileSync(new URL('trace-of-an-order.md', docs), 'utf8')
  const shown = /```text\n([\s\S]*?)\n```/.exec(page)![1]!.split('\n')
  expect(paths(tree.map(withoutTimes))).toEqual(paths(shown))
  const words = (svg: string): string[] =>
    [...svg.matchAll(/>([^<]+)<\/text>/g)]
      .map((match) => match[1]!)
      .filter((said) => !/ ms\b/.test(said))
      .sort()
  const drawn = words(readFileSync(picture, 'utf8').replaceAll(prefix, ''))
  expect(drawn).toEqual(words(readFileSync(new URL('trace-of-an-order.svg', docs), 'utf8')))
}, 300_000)
