import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { eventually } from '@posthorn/testing'
import { expect, test } from 'vitest'
import { readInstances } from '../stack/src/instances.js'
import { turnsRed } from './betrayal.js'
import type { Betrayal } from './betrayal.js'
import { folderOf, startFaults, summaryOf } from './faultsCommand.js'
import { invariantNames } from './invariants.js'

/*
 * A few minutes of `npm run faults`, and tests of the runner itself: a promise that is broken on purpose must turn it red.
 */

test('traffic on RabbitMQ survives faults of most kinds, and every invariant holds', async () => {
  const run = startFaults('rabbitmq', '--seed', '4', '--minutes', '2.5', '--json')
  const code = await run.ended
  const summary = summaryOf(run)
  expect(Object.values(summary.invariants), run.stderr).not.toContain(false)
  expect(code).toBe(0)
  expect(summary).toMatchObject({ summary: true, target: 'rabbitmq', seed: 4, lost: 0, ghosts: 0, orderViolations: 0 })
  expect(Object.keys(summary.invariants)).toEqual([...invariantNames])
  expect(Object.keys(summary.faults).length).toBeGreaterThanOrEqual(8)
  expect(summary.acked).toBeGreaterThan(10_000)
  expect(summary.deadLettered).toBeGreaterThan(50)
  expect(summary.longestStallMs).toBeLessThan(15_000)
  expect(existsSync(folderOf(run)!)).toBe(false)
}, 600_000)

const betrayals: readonly Betrayal[] = [
  {
    what: 'a publisher that claims that every message was routed',
    lie: 'publisher:routedAlwaysTrue',
    faults: 'bindingDeleted',
    breaks: 'I1',
  },
  {
    what: 'a publisher that does not wait for its confirm',
    lie: 'publisher:unconfirmedPublish',
    faults: 'brokerKilled',
    breaks: 'I1',
  },
  {
    what: 'a consumer that completes a message before its dead letter is confirmed',
    lie: 'consumer:unconfirmedPublish',
    faults: 'deadLettersRefused',
    breaks: 'I6',
  },
  {
    what: 'a consumer that acknowledges before it handles',
    lie: 'consumer:earlyAck',
    faults: 'consumerKilled',
    breaks: 'I1',
  },
  {
    what: 'a consumer that does not keep its keys together',
    lie: 'consumer:orderIgnored',
    faults: 'connectionsClosed',
    breaks: 'I5',
  },
]

for (const { what, ...betrayal } of betrayals) {
  test(`${what} turns the run red`, async () => {
    const { lost, orderViolations } = await turnsRed('rabbitmq', '0.4', betrayal)
    expect(betrayal.breaks === 'I5' ? orderViolations : lost).toBeGreaterThan(0)
  }, 300_000)
}

test.each(['SIGINT', 'SIGKILL'] as const)(
  'a runner that is ended by %s leaves no process behind',
  async (signal) => {
    const run = startFaults('rabbitmq', '--minutes', '5', '--faults', 'connectionsClosed')
    await eventually(
      () => run.stderr,
      (text) => text.includes('traffic'),
      { timeoutMs: 120_000 },
    )
    const folder = folderOf(run)!
    expect(processesWith(folder).length).toBeGreaterThanOrEqual(5)
    run.process.kill(signal)
    expect(await run.ended).toBe(signal === 'SIGINT' ? 1 : undefined)
    await eventually(
      () => processesWith(folder),
      (left) => left.length === 0,
      { timeoutMs: 30_000 },
    )
    await eventually(
      () => readInstances().filter(({ owner }) => owner?.pid === run.process.pid),
      (left) => left.length === 0,
      { timeoutMs: 60_000 },
    )
    // Nobody is left to remove it after a kill -9.
    expect(existsSync(folder)).toBe(signal === 'SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  },
  300_000,
)

/** Processes that were given this folder. */
function processesWith(folder: string): string[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder)
      } catch {
        return false
      }
    })
}
