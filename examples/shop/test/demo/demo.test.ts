import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { soundOrder } from '../shopFixture.js'
import { ended, startDemo } from './demoCommand.js'
import type { DemoJson, Ended } from './demoCommand.js'

const data = (name: string): string => fileURLToPath(new URL(`../../data/${name}`, import.meta.url))
const timeout = 300_000

async function run(args: readonly string[], stdin?: string | Buffer): Promise<Ended> {
  return ended(startDemo(args), stdin)
}

/** On a machine that is busy, a demo lasts long enough to tell how far it is. */
function withoutProgress(stderr: string): string {
  return stderr.replaceAll(/^read \d+, published .*\n/gm, '')
}

async function runJson(args: readonly string[], stdin?: string | Buffer): Promise<DemoJson & { code: number | null }> {
  const { code, stdout, stderr } = await run([...args, '--json'], stdin)
  expect(withoutProgress(stderr)).toBe('')
  expect(stdout.indexOf('\n')).toBe(stdout.length - 1)
  return { code, ...(JSON.parse(stdout) as DemoJson) }
}

describe.concurrent('the demo, built and run as a process', { timeout }, () => {
  test('adds up over its own file, and prints a table', async () => {
    const { code, stdout, stderr } = await run([])
    expect([code, withoutProgress(stderr)]).toEqual([0, ''])
    expect(stdout).toMatch(/read +│ +474/)
    expect(stdout).toMatch(/rejected +│ +33/)
    expect(stdout).toMatch(/payments +│ +435 │ charged 413, declined 22/)
    expect(stdout).toContain('0 lost')
    expect(stdout).not.toContain('\u001b[')
  })

  test('names every broken line of its own file, and every kind of fault is among them', async () => {
    const { code, read, published, rejected, handled, deadLettered, lost } = await runJson([])
    expect({ code, read, published, lost }).toEqual({ code: 0, read: 474, published: 441, lost: 0 })
    expect(rejected).toHaveLength(33)
    expect(handled + deadLettered).toBe(441)
    expect(deadLettered).toBeGreaterThan(0)
    const lines = readFileSync(data('orders.ndjson'), 'latin1').split('\n')
    const wrongs = rejected.map(({ line }) => lines[line - 1])
    expect(wrongs).toContain('this is not JSON')
    expect(wrongs.every((line) => line !== undefined && line.trim() !== '')).toBe(true)
    const codes = new Set(rejected.map(({ code: found }) => found))
    expect([...codes].sort()).toEqual([
      'POSTHORN_FORBIDDEN_KEY',
      'POSTHORN_INVALID_DATA',
      'POSTHORN_TOO_DEEP',
      'SHOP_NOT_JSON',
      'SHOP_NOT_UTF8',
    ])
  })

  test('adds up though its workers crash, and says what crashed', async () => {
    const { code, stdout, stderr } = await run(['--chaos', '--json'])
    expect(code, stderr).toBe(0)
    const { published, lost, handled, database, crashes } = JSON.parse(stdout) as DemoJson
    expect({ published, lost }).toEqual({ published: 441, lost: 0 })
    expect(database).toMatchObject({ orders: 441, payments: handled, repeated: 0, ghosts: 0, waiting: 0 })
    const { orders, payments, relay, connections } = crashes!
    expect(Math.min(orders, payments, relay, connections)).toBeGreaterThan(0)
    const lines = withoutProgress(stderr).trimEnd().split('\n')
    expect(lines).toHaveLength(orders + payments + relay + connections)
    expect(lines.every((line) => line.startsWith('crashed: '))).toBe(true)
  })

  test('reads standard input', async () => {
    const input = `\uFEFF${JSON.stringify(soundOrder())}\r\n\r\nbroken\r\n`
    const result = await runJson(['--input', '-'], input)
    expect(result).toMatchObject({ code: 0, transport: 'memory', read: 2, published: 1, handled: 1, lost: 0 })
    expect(result.rejected).toEqual([{ line: 3, code: 'SHOP_NOT_JSON', message: 'The line is not valid JSON' }])
  })

  test('takes orders of the users of --users only', async () => {
    const result = await runJson(['--users', data('users.ndjson')])
    expect(result).toMatchObject({ code: 0, read: 474, lost: 0 })
    const unknown = result.rejected.filter(({ code }) => code === 'SHOP_UNKNOWN_USER')
    expect(unknown.length).toBeGreaterThan(5)
    expect(result.published + result.rejected.length).toBe(474)
  })

  test('adds up when nothing is to be done, and when everything is broken', async () => {
    const nothing = { code: 0, read: 0, published: 0, rejected: [], handled: 0, retried: 0, deadLettered: 0, lost: 0 }
    expect(await runJson(['--input', '-'], '')).toMatchObject(nothing)
    expect(await runJson(['--input', '-'], '\n \r\n')).toMatchObject(nothing)
    const broken = await runJson(['--input', '-'], '{}\n'.repeat(2_000))
    expect(broken).toMatchObject({ code: 0, read: 2_000, published: 0, handled: 0, lost: 0 })
    expect(broken.rejected).toHaveLength(2_000)
    expect(broken.rejected.at(-1)).toMatchObject({ line: 2_000, code: 'POSTHORN_INVALID_DATA' })
  })

  test('says what is wrong with its options and files, on standard error alone', async () => {
    const wrong: readonly (readonly [string[], RegExp])[] = [
      [['--input', data('absent.ndjson')], /absent\.ndjson.*SHOP_BAD_INPUT/],
      [['--input', data('')], /folder/],
      [['--users', data('absent.ndjson')], /SHOP_BAD_INPUT/],
      [['--users', data('orders.ndjson')], /line 58.*SHOP_BAD_USERS_FILE/],
      [['--transport', 'pigeon'], /memory, rabbitmq, kafka/],
      [['--database', 'drawer'], /pglite, postgres/],
      [['--database', 'postgres', '--database-url', 'http://u:secret@127.0.0.1:1'], /SHOP_NO_DATABASE/],
      [['--database', 'postgres', '--database-url', 'postgres://u:secret@127.0.0.1:1/x'], /SHOP_NO_DATABASE/],
      [['--seed', 'x'], /whole number/],
      [['--colour'], /unknown option/],
      [['extra'], /too many arguments/],
      [['--transport', 'rabbitmq', '--url', 'http://u:secret@127.0.0.1:1'], /amqp/],
    ]
    const results = await Promise.all(wrong.map(([args]) => run([...args, '--json'])))
    for (const [index, { code, stdout, stderr }] of results.entries()) {
      expect([code, stdout], stderr).toEqual([2, ''])
      expect(stderr).toMatch(wrong[index]![1])
      expect(stderr).not.toContain('secret')
    }
  })

  test('explains itself', async () => {
    const { code, stdout } = await run(['--help'])
    expect(code).toBe(0)
    for (const option of [
      '--database',
      '--database-url',
      '--chaos',
      '--transport',
      '--input',
      '--users',
      '--json',
      '--url',
      '--brokers',
      '--seed',
    ]) {
      expect(stdout).toContain(option)
    }
  })

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('stops cleanly at %s, though its input is still open', async (name, code) => {
    const child = startDemo(['--input', '-', '--json'], { LOG_LEVEL: 'info' })
    child.stdin.write(`${JSON.stringify(soundOrder())}\n`)
    const end = ended(child)
    await once(child.stderr, 'data') // It says that it runs.
    child.kill(name)
    expect(await end).toMatchObject({ code, stdout: '' })
  })
})

test('the sample files are what their script writes', { timeout }, async () => {
  const { execFileSync } = await import('node:child_process')
  const { cpSync, mkdtempSync, rmSync } = await import('node:fs')
  const { tmpdir } = await import('node:os')
  const folder = mkdtempSync(`${tmpdir()}/shop-`)
  try {
    cpSync(data('generateOrders.mjs'), `${folder}/generateOrders.mjs`)
    execFileSync(process.execPath, [`${folder}/generateOrders.mjs`])
    for (const name of ['orders.ndjson', 'users.ndjson']) {
      expect(readFileSync(`${folder}/${name}`).equals(readFileSync(data(name))), name).toBe(true)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})
