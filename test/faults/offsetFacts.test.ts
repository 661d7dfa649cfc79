import { expect, test } from 'vitest'
import { applyLine, createLedger } from './ledger.js'
import type { Ledger } from './ledger.js'
import { createOffsetFacts } from './offsetFacts.js'
import type { OffsetFacts } from './offsetFacts.js'

const work = { topic: 'works', generation: 0, partition: 2 }
const rung = { ...work, topic: 'works.ladder.retry.200' }
const later = { ...work, topic: 'works.ladder.retry.1000' }
const dead = { ...work, topic: 'works.ladder.dead' }

/** A partition with three records, the first two of which are handled at 10 and 30. */
function seen(): { readonly facts: OffsetFacts; readonly ledger: Ledger } {
  const facts = createOffsetFacts()
  for (const [offset, id] of ['w-p-0', 'w-p-1', 'w-p-2'].entries()) facts.record(work, { offset, id, at: 1 })
  const ledger = createLedger()
  applyLine(ledger, 'consumer-1.0', 'd w-p-0 10')
  applyLine(ledger, 'consumer-1.0', 'd w-p-1 30')
  return { facts, ledger }
}

test('a commit up to the lowest message that has not ended is fine', () => {
  const { facts, ledger } = seen()
  facts.committed(work, 0, 5)
  facts.committed(work, 1, 10)
  facts.committed(work, 2, 31)
  expect(facts.problems(ledger)).toEqual([])
  expect(facts.commitCount).toBe(3)
})

test('a commit beyond a message that has not ended by then is told', () => {
  const { facts, ledger } = seen()
  facts.committed(work, 2, 20)
  facts.committed(work, 3, 40)
  expect(facts.problems(ledger)).toEqual([
    'w-p-1 in works[2]@1 had not ended at a commit of 2',
    'w-p-2 in works[2]@2 had not ended at a commit of 3',
  ])
})

test.each([
  ['a rung of its ladder', rung],
  ['its dead letters', dead],
])('a message has ended where it stood when its copy is in %s', (_what, place) => {
  const { facts, ledger } = seen()
  facts.record(place, { offset: 7, id: 'w-p-2', at: 50 })
  facts.committed(work, 3, 49)
  expect(facts.problems(ledger)).toHaveLength(1)
  const again = seen()
  again.facts.record(place, { offset: 7, id: 'w-p-2', at: 50 })
  again.facts.committed(work, 3, 51)
  expect(again.facts.problems(again.ledger)).toEqual([])
})

test('what was copied before does not end a later copy', () => {
  const { facts, ledger } = seen()
  facts.record(rung, { offset: 0, id: 'w-p-2', at: 50 })
  facts.record(later, { offset: 0, id: 'w-p-2', at: 60 })
  facts.committed(rung, 1, 61)
  facts.committed(later, 1, 70)
  expect(facts.problems(ledger)).toEqual(['w-p-2 in works.ladder.retry.1000[2]@0 had not ended at a commit of 1'])
})

test('a group that goes back is told', () => {
  const { facts, ledger } = seen()
  facts.committed(work, 2, 31)
  facts.committed(work, 1, 32)
  expect(facts.problems(ledger)).toEqual(['works[2]: the group went back from 2 to 1'])
})

test('a topic that is made anew begins anew, and what is set by hand says nothing', () => {
  const { facts, ledger } = seen()
  facts.committed(work, 2, 31)
  facts.ignore('works')
  facts.committed(work, 900, 32)
  facts.forget('works')
  // An answer that was on its way.
  facts.committed(work, 900, 33)
  expect(facts.nextOf('works', 2)).toBe(0)
  facts.committed({ ...work, generation: 1 }, 0, 34)
  expect(facts.problems(ledger)).toEqual([])
})
