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

describe.each(brokers)('the demo on $transport', (broker) => {
  const run = (args: readonly string[], stdin?: Buffer): Promise<Ended> =>
    ended(startDemo([...brokerArgs(broker), '--json', ...args]), stdin)

  test('comes to exactly what it comes to in memory', async () => {
    const inMemory = jsonOf(await ended(startDemo(['--json'])))
    const result = jsonOf(await run([]))
    const { durationMs: _, ...facts } = result
    expect(facts).toEqual({ ...inMemory, transport: broker.transport, durationMs: undefined })
  })

  test('loses none of 5,000 orders from standard input', async () => {
    const result = jsonOf(await run(['--input', '-'], soundOrders(5_000)))
    expect(result).toMatchObject({ read: 5_000, published: 5_000, rejected: [], lost: 0 })
    expect(result.handled + result.deadLettered).toBe(5_000)
  })

  test('is not confused by what a run that was killed left behind', async () => {
    const killed = startDemo([...brokerArgs(broker), '--input', '-'], { LOG_LEVEL: 'warn' })
    const end = ended(killed)
    // Its first dead letter shows that orders are on their way; the input stays open, so that it cannot end by itself.
    const isUnderWay = new Promise<void>((resolve) => killed.stderr.once('data', () => resolve()))
    killed.stdin.write(soundOrders(5_000))
    await isUnderWay
    killed.kill('SIGKILL')
    await end
    const result = jsonOf(await run([]))
    expect(result).toMatchObject({ read: 474, published: 441, lost: 0 })
    expect(result.handled + result.deadLettered).toBe(441)
  })
})
