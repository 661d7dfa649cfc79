import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { turnsRed } from './betrayal.js'
import type { Betrayal } from './betrayal.js'
import { folderOf, startFaults, summaryOf } from './faultsCommand.js'
import { invariantNames } from './invariants.js'

/*
 * A minute of `npm run faults -- kafka`, and proof that the runner notices what an adapter for Kafka can do wrong.
 */

/** Those that cost few seconds each; a long run has all of them. */
const quickKinds = ['brokerKilled', 'consumerKilled', 'tcpReset', 'produceAnswersLost', 'commitAnswersLost', 'poisoned']

test('traffic on Kafka survives faults of several kinds, and every invariant holds', async () => {
  const length = ['--minutes', '1.5', '--faults', quickKinds.join(',')]
  const run = startFaults('kafka', '--seed', '2', ...length, '--json')
  const code = await run.ended
  const summary = summaryOf(run)
  expect(Object.values(summary.invariants), run.stderr).not.toContain(false)
  expect(code).toBe(0)
  expect(summary).toMatchObject({ summary: true, target: 'kafka', seed: 2, lost: 0, ghosts: 0, orderViolations: 0 })
  expect(Object.keys(summary.invariants)).toEqual([...invariantNames])
  expect(Object.keys(summary.faults).length).toBeGreaterThanOrEqual(3)
  expect(summary.acked).toBeGreaterThan(3_000)
  expect(summary.deadLettered).toBeGreaterThan(10)
  // Offsets were seen to move, so that they can have been judged.
  expect(summary.commits).toBeGreaterThan(50)
  expect(existsSync(folderOf(run)!)).toBe(false)
}, 600_000)

const betrayals: readonly Betrayal[] = [
  {
    what: 'a consumer that commits the highest offset that it has seen',
    lie: 'consumer:earlyAck',
    faults: 'consumerKilled',
    breaks: 'I9',
  },
  {
    what: 'a publisher that does not wait for its confirm',
    lie: 'publisher:unconfirmedPublish',
    faults: 'brokerKilled',
    breaks: 'I1',
  },
  {
    what: 'a consumer that does not keep its keys together',
    lie: 'consumer:reorderedKey',
    faults: 'commitAnswersLost',
    breaks: 'I5',
  },
]

for (const { what, ...betrayal } of betrayals) {
  test(`${what} turns the run red`, async () => void (await turnsRed('kafka', '0.3', betrayal)), 300_000)
}
