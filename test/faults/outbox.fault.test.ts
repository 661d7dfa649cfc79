import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { turnsRed } from './betrayal.js'
import type { Betrayal } from './betrayal.js'
import { folderOf, startFaults, summaryOf } from './faultsCommand.js'
import { invariantNames } from './invariants.js'

/*
 * A minute and a half of `npm run faults -- outbox`, and proof that the runner notices what an outbox, a relay and an inbox
 * can do wrong.
 */

/** Those that cost few seconds each; a long run has all of them. */
const quickKinds = [
  'relayKilledBeforePublish',
  'relayKilledInBatch',
  'relayKilledBeforeRemove',
  'relayPaused',
  'databaseStopped',
  'commitsCut',
  'brokerKilled',
  'consumerKilled',
  'publisherKilled',
]

test('traffic through outbox, relays and inbox survives faults of several kinds, and every invariant holds', async () => {
  const length = ['--minutes', '1.5', '--faults', quickKinds.join(',')]
  const run = startFaults('outbox', '--seed', '2', ...length, '--json')
  const code = await run.ended
  const summary = summaryOf(run)
  expect(Object.values(summary.invariants), run.stderr).not.toContain(false)
  expect(code).toBe(0)
  expect(summary).toMatchObject({ target: 'outbox', seed: 2, lost: 0, ghosts: 0, orderViolations: 0, doubleEffects: 0 })
  expect(Object.keys(summary.invariants)).toEqual([...invariantNames])
  expect(Object.keys(summary.faults).length).toBeGreaterThanOrEqual(3)
  expect(summary.committed).toBeGreaterThan(200)
  expect(summary.committed).toBe(summary.acked)
  expect(summary.deadLettered).toBeGreaterThan(1)
  expect(existsSync(folderOf(run)!)).toBe(false)
}, 600_000)

const betrayals: readonly Betrayal[] = [
  {
    what: 'a relay that removes entries before they are confirmed',
    lie: 'relay:removedBeforeConfirm',
    faults: 'relayKilledInBatch',
    breaks: 'I8',
  },
  {
    what: 'a relay that reads on from the highest id that it has seen',
    lie: 'relay:idCursor',
    faults: 'slowLink',
    breaks: 'I8',
  },
  {
    what: 'relays that share the entries instead of the partitions',
    lie: 'relay:rowsShared',
    faults: 'slowLink',
    breaks: 'I5',
  },
  {
    what: 'an outbox that stores messages in a transaction of their own',
    lie: 'publisher:publishedOutside',
    faults: 'publisherKilled',
    breaks: 'I3',
  },
  {
    what: 'an inbox that remembers messages in a transaction of its own',
    lie: 'consumer:rememberedApart',
    faults: 'consumerKilled',
    breaks: 'I4',
  },
  {
    what: 'an inbox that remembers nothing',
    lie: 'consumer:rememberedNever',
    faults: 'relayKilledBeforeRemove',
    breaks: 'I4',
  },
  {
    what: 'a consumer that acknowledges before its transaction is committed',
    lie: 'consumer:earlyAck',
    faults: 'consumerKilled',
    breaks: 'I4',
  },
]

for (const { what, ...betrayal } of betrayals) {
  test(`${what} turns the run red`, async () => void (await turnsRed('outbox', '0.35', betrayal)), 300_000)
}
