import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { ended, startDemo } from '../demo/demoCommand.js'
import type { DemoJson, Ended } from '../demo/demoCommand.js'
import { brokerArgs, brokers } from './brokers.js'

const generator = fileURLToPath(new URL('../../data/generateOrders.mjs', import.meta.url))

function soundOrders(count: number): Buffer {
  return execFileSync(process.execPath, [generator, String(count)], { maxBuffer: 64 * 1_048_576 })
}

function jsonOf({ code, stdout, stderr }: Ended): DemoJson {
  expect(code, stderr).toBe(0)
  return JSON.parse(stdout) as DemoJson
}

/** What the card network asks for with the orders of the repository. */
const fewestRetries = 74

describe.each(brokers)('the demo on $transport', (broker) => {
  const run = (args: readonly string[], stdin?: Buffer): Promise<Ended> =>
    ended(startDemo([...brokerArgs(broker), '--json', ...args]), stdin)

  test('comes to exactly what it comes to in memory', async () => {
    const inMemory = jsonOf(await ended(startDemo(['--json'])))
    const result = jsonOf(await run([]))
    // What a relay publishes twice, because the machine was slow and its lease ran out, is tried again twice.
    const { durationMs: _, retried, ...facts } = result
    expect(facts).toEqual({ ...inMemory, transport: broker.transport, durationMs: undefined, retried: undefined })
    for (const count of [retried, inMemory.retried]) expect(count).toBeGreaterThanOrEqual(fewestRetries)
  })

  test('loses none of 1,000 orders from standard input', async () => {
    const result = jsonOf(await run(['--input', '-'], soundOrders(1_000)))
    expect(result).toMatchObject({ read: 1_000, published: 1_000, rejected: [], lost: 0 })
    expect(result.handled + result.deadLettered).toBe(1_000)
  })

  test('is not confused by what a run that was killed left behind', async () => {
    const killed = startDemo([...brokerArgs(broker), '--input', '-'], { LOG_LEVEL: 'warn' })
    const end = ended(killed)
    // Its first dead letter shows that orders are on their way; the input stays open, so that it cannot end by itself.
    const isUnderWay = new Promise<void>((resolve) => killed.stderr.once('data', () => resolve()))
    killed.stdin.on('error', () => {}) // It dies while it reads.
    killed.stdin.write(soundOrders(1_000))
    await isUnderWay
    killed.kill('SIGKILL')
    await end
    const result = jsonOf(await run([]))
    expect(result).toMatchObject({ read: 474, published: 441, lost: 0 })
    expect(result.handled + result.deadLettered).toBe(441)
  })
})
