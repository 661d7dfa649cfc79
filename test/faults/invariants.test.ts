import { expect, test } from 'vitest'
import { invariantNames, judge } from './invariants.js'
import type { FaultWindow, ProcessSample, RunFacts } from './invariants.js'
import type { DatabaseFacts } from './outbox/databaseFacts.js'
import { applyLine, createLedger } from './ledger.js'
import { summarize } from './report.js'
import { fateOf, followUpId, harmful, idOf } from './traffic.js'

const limits = { maxStallMs: 15_000, maxUnconfirmed: 500, maxRssBytes: 1_000_000, maxMoreSockets: 0, maxCopies: 1 }
const sample: ProcessSample = {
  process: 'consumer-1.0',
  sockets: 2,
  timers: 4,
  listeners: 20,
  rssBytes: 500_000,
  unconfirmed: 0,
  ready: true,
}

/** A run of which the files say this. Publishers write lines of a, k and f. */
function run(lines: readonly string[], changes: Partial<RunFacts> = {}): RunFacts {
  const ledger = createLedger()
  for (const line of lines) applyLine(ledger, 'akfe'.includes(line[0]!) ? 'publisher-1.0' : 'consumer-1.0', line)
  const samples = [{ first: sample, last: sample }]
  return { ledger, faults: [], longestStallMs: 900, samples, maxUnconfirmed: 500, dead: [], ...changes }
}

function broken(facts: RunFacts): Partial<Record<string, readonly string[]>> {
  return Object.fromEntries(Object.entries(judge(facts, limits)).filter(([, what]) => what.length > 0))
}

const numbered = (flow: 's' | 'w', fate: string): string =>
  Array.from({ length: 5_000 }, (_, index) => idOf(flow, 'p', index)).find((id) => fateOf(id) === fate)!
const fine = idOf('w', 'p', 2)
const failsOnce = numbered('w', 'failsOnce')
const failsAlways = numbered('w', 'failsAlways')
const secondsOf = (seconds: number): number => seconds * 1_000_000
const kill: FaultWindow = { kind: 'brokerKilled', from: secondsOf(10), to: secondsOf(12) }

const handled = (id: string): string[] => [`a ${id} 1`, `k ${id} 1 2`, `h ${id} 1 key 1 3`, `d ${id} 4`]
const exhausted = (id: string, attempts = 3): string[] => [
  `a ${id} 1`,
  `k ${id} 1 2`,
  ...Array.from({ length: attempts }, (_, index) => `h ${id} ${index + 1} key 1 ${index + 3}`),
  `z ${id} retriesExhausted ${attempts} 9`,
]

test('a run in which everything ends breaks nothing', () => {
  const retried = [
    `a ${failsOnce} 1`,
    `k ${failsOnce} 1 2`,
    `h ${failsOnce} 1 k 1 3`,
    `h ${failsOnce} 2 k 1 5`,
    `d ${failsOnce} 6`,
  ]
  const facts = run([...handled(fine), ...retried, ...exhausted(failsAlways), 'e 10'])
  expect(broken(facts)).toEqual({})
  const summary = summarize(facts, judge(facts, limits), { target: 'rabbitmq', seed: 5 } as never)
  expect(summary).toMatchObject({ summary: true, target: 'rabbitmq', seed: 5, acked: 3, delivered: 6, duplicates: 0 })
  expect(summary).toMatchObject({ deadLettered: 1, lost: 0, ghosts: 0, orderViolations: 0, longestStallMs: 900 })
  expect(Object.keys(summary.invariants)).toEqual([...invariantNames])
  expect(Object.values(summary.invariants)).not.toContain(false)
})

test('I1: a confirmed message that ended nowhere is lost', () => {
  const facts = run([`a ${fine} 1`, `k ${fine} 1 2`])
  expect(broken(facts)).toMatchObject({ I1: [fine], I6: [fine] })
  expect(summarize(facts, judge(facts, limits), { target: 'x', seed: 1 } as never)).toMatchObject({ lost: 1 })
})

test('I1: neither an event that nobody receives nor one of unknown outcome is owed a delivery', () => {
  const unknown = idOf('w', 'p', 10)
  expect(broken(run([`a ${fine} 1`, `k ${fine} 0 2`, `a ${unknown} 1`, `f ${unknown} unknown CODE 2`]))).toEqual({})
})

test('I2: a message that nobody published is a ghost', () => {
  const facts = run([`h ${fine} 1 k 1 3`, `d ${fine} 4`])
  expect(broken(facts)).toMatchObject({ I2: [fine] })
  expect(summarize(facts, judge(facts, limits), { target: 'x', seed: 1 } as never)).toMatchObject({ ghosts: 1 })
})

test('I3: what was not sent never appears; what may have been sent may appear', () => {
  const appears = [`h ${fine} 1 k 1 3`, `d ${fine} 4`]
  expect(broken(run([`a ${fine} 1`, `f ${fine} unknown CODE 2`, ...appears]))).toEqual({})
  const facts = run([`a ${fine} 1`, `f ${fine} notSent CODE 2`, ...appears])
  expect(broken(facts)).toMatchObject({ I3: [fine] })
  expect(summarize(facts, judge(facts, limits), { target: 'x', seed: 1 } as never)).toMatchObject({ ghosts: 1 })
})

test('I4: what never works has no effect', () => {
  expect(broken(run([...exhausted(failsAlways), `d ${failsAlways} 20`]))).toHaveProperty('I4', [failsAlways])
})

/** Messages of one key, as `[seq, called, done]`. */
function keyed(...calls: readonly (readonly [seq: number, called: number, done: number])[]): RunFacts {
  const idAt = (seq: number): string => idOf('s', 'p', 1_000 + seq * 10 + 4)
  const sent = calls.flatMap(([seq]) => [`a ${idAt(seq)} ${seq}`, `k ${idAt(seq)} 1 ${seq}`])
  return run([
    ...sent,
    ...calls.flatMap(([seq, at, done]) => [`h ${idAt(seq)} 1 key ${seq} ${at}`, `d ${idAt(seq)} ${done}`]),
  ])
}

test('I5: a key keeps its order, whichever process wrote first', () => {
  expect(broken(keyed([2, 30, 40], [1, 10, 20], [3, 50, 60]))).toEqual({})
})

test('I5: a message called before an earlier one is out of order', () => {
  const facts = keyed([1, 30, 40], [2, 10, 20])
  expect(judge(facts, limits).I5).toHaveLength(1)
  expect(summarize(facts, judge(facts, limits), { target: 'x', seed: 1 } as never)).toMatchObject({
    orderViolations: 1,
  })
})

test('I5: a message called before an earlier one has ended has overtaken it', () => {
  expect(judge(keyed([1, 10, 30], [2, 20, 40]), limits).I5).toHaveLength(1)
})

test('I5: what was rejected as unknown may come late', () => {
  const late = idOf('s', 'p', 1_014)
  const later = keyed([2, 10, 20], [3, 50, 60])
  for (const line of [`a ${late} 1`, `f ${late} unknown CODE 2`, `h ${late} 1 key 1 30`, `d ${late} 40`]) {
    applyLine(later.ledger, 'publisher-1.0', line)
  }
  expect(judge(later, limits).I5).toEqual([])
})

test('I5: a repeated delivery of an earlier message is none of its order', () => {
  const again = keyed([1, 10, 20], [2, 30, 40])
  applyLine(again.ledger, 'consumer-2.0', `h ${idOf('s', 'p', 1_014)} 1 key 1 50`)
  expect(judge(again, limits).I5).toEqual([])
})

test('I6: a message that was delivered and then ended nowhere is missing, confirmed or not', () => {
  expect(broken(run([`a ${fine} 1`, `h ${fine} 1 k 1 3`]))).toHaveProperty('I6', [fine])
})

test.each(['crashLoop', 'undecodable', 'invalid', 'foreign', 'retriesExhausted'])(
  'I6: a message that works is not put aside as %s, whatever faults there were',
  (reason) => {
    const lines = [`a ${fine} 1`, `k ${fine} 1 2`, `z ${fine} ${reason} 0 ${secondsOf(11)}`]
    expect(broken(run(lines, { faults: [kill] }))).toHaveProperty('I6', [fine])
  },
)

test('what nobody can read, and what kills its process, ends as a dead letter and breaks nothing', () => {
  const poison = idOf('w', harmful('poison'), 1)
  const killer = idOf('x', harmful('abort'), 2)
  const lines = [
    `a ${poison} 1`,
    `k ${poison} 1 2`,
    `z ${poison} undecodable 0 3`,
    `a ${killer} 1`,
    `k ${killer} 1 2`,
    ...[3, 4, 5].map((at) => `h ${killer} 1 k 1 ${at}`),
    `z ${killer} crashLoop 1 9`,
  ]
  expect(broken(run(lines))).toEqual({})
})

test('what kills its process must not be taken for handled, nor called again and again', () => {
  const killer = idOf('x', harmful('abort'), 2)
  const handledAfterAll = [`a ${killer} 1`, `k ${killer} 1 2`, `h ${killer} 1 k 1 3`, `d ${killer} 4`]
  expect(broken(run(handledAfterAll))).toHaveProperty('I4', [killer])
  const calls = [3, 4, 5, 6].map((at) => `h ${killer} 1 k 1 ${at}`)
  const often = [`a ${killer} 1`, `k ${killer} 1 2`, ...calls, `z ${killer} crashLoop 1 9`]
  expect(broken(run(often))).toHaveProperty('I7', [killer])
})

test('I6: two ends need a fault between them', () => {
  const lines = [...handled(fine), `z ${fine} nonRetryable 0 ${secondsOf(11)}`]
  expect(broken(run(lines))).toHaveProperty('I6', [fine])
  expect(broken(run(lines, { faults: [kill] }))).toEqual({})
})

test('I6: a message that works is not dead-lettered for having failed', () => {
  expect(broken(run(exhausted(fine), { faults: [kill] }))).toHaveProperty('I6', [fine])
})

test('I7: no attempt beyond the ladder, fault or not', () => {
  const lines = [...handled(fine), `h ${fine} 4 k 1 8`]
  expect(broken(run(lines, { faults: [{ ...kill, from: 0 }] }))).toEqual({ I7: [fine] })
})

test('I7: a dead letter has all attempts of the ladder behind it', () => {
  expect(broken(run(exhausted(failsAlways, 2)))).toEqual({ I7: [failsAlways] })
})

test('I7: a second call of what works needs a fault', () => {
  const lines = [...handled(fine), `h ${fine} 1 k 1 ${secondsOf(11)}`, `d ${fine} ${secondsOf(11) + 1}`]
  expect(broken(run(lines))).toEqual({ I7: [fine] })
  expect(broken(run(lines, { faults: [kill] }))).toEqual({})
  const long = { ...kill, from: secondsOf(100), to: secondsOf(101) }
  expect(broken(run(lines, { faults: [long] }))).toEqual({ I7: [fine] })
})

const ofOutbox = idOf('u', 'p', 2)
const ofHandler = followUpId(ofOutbox)
const lines = [...handled(ofOutbox), ...handled(ofHandler)]
const database: DatabaseFacts = {
  committed: new Set([ofOutbox]),
  effects: new Map([
    [ofOutbox, 1],
    [ofHandler, 1],
  ]),
  waiting: [],
  leftBehind: [],
  bounds: [],
}

test('I4, I8: an outbox and an inbox that keep their promises break nothing', () => {
  const facts = run(lines, { database })
  expect(broken(facts)).toEqual({})
  const summary = summarize(facts, judge(facts, limits), { target: 'outbox', seed: 1 } as never)
  expect(summary).toMatchObject({ committed: 1, doubleEffects: 0 })
})

test('I4: an effect that happened twice breaks it, though its handler was called once as far as anybody knows', () => {
  const facts = run(lines, { database: { ...database, effects: new Map([...database.effects, [ofOutbox, 2]]) } })
  expect(broken(facts)).toEqual({ I4: [ofOutbox] })
  const summary = summarize(facts, judge(facts, limits), { target: 'outbox', seed: 1 } as never)
  expect(summary).toMatchObject({ doubleEffects: 1 })
})

test.each([
  ['a message', ofHandler, [ofOutbox, ofHandler]],
  ['what a handler published', ofOutbox, [ofHandler]],
])('I4: %s that was handled and has no effect breaks it', (_what, left, missing) => {
  const facts = run(lines, { database: { ...database, effects: new Map([[left, 1]]) } })
  expect(broken(facts)).toEqual({ I4: expect.arrayContaining([...missing]) })
})

test('I4: an effect of what never works, or of what was rolled back, breaks it', () => {
  const bad = Array.from({ length: 100 }, (_, at) => idOf('u', 'p', at)).find((id) => fateOf(id) === 'failsAlways')!
  const committed = new Set([ofOutbox, bad])
  const effects = new Map([...database.effects, [bad, 1]])
  expect(broken(run([...lines, ...exhausted(bad, 5)], { database: { ...database, committed, effects } }))).toEqual({
    I4: [bad],
  })
  const gone = idOf('u', 'p', 4)
  const ghost = { ...database, effects: new Map([...database.effects, [gone, 1]]) }
  expect(broken(run([...lines, `a ${gone} 1`, `f ${gone} notSent ROLLED_BACK 2`], { database: ghost }))).toEqual({
    I4: [gone],
  })
})

test('I8: what was committed and ended nowhere breaks it, though nobody was told of the commit', () => {
  const never = idOf('o', 'p', 4)
  const committed = new Set([ofOutbox, never])
  const effects = new Map([...database.effects, [never, 1]])
  expect(broken(run([...lines, `a ${never} 1`], { database: { ...database, committed, effects } }))).toEqual({
    I8: [never],
  })
})

test('I8: what was not committed and appeared breaks it', () => {
  const facts = run(lines, { database: { ...database, committed: new Set() } })
  expect(broken(facts)).toMatchObject({ I8: [ofOutbox] })
})

test('I8: nothing stays in the outbox, and no partition with the dead', () => {
  const leftBehind = ['partition 3 is leased by relay-1, which has ended']
  expect(broken(run(lines, { database: { ...database, waiting: [ofOutbox], leftBehind } }))).toEqual({
    I8: [ofOutbox, ...leftBehind],
  })
})

test('I10: connections of processes that have ended are a leak', () => {
  const bounds = ['consumer-1.0 left a connection behind']
  expect(broken(run(lines, { database: { ...database, bounds } }))).toEqual({ I10: bounds })
})

test.each([
  ['sockets', { sockets: 3 }],
  ['timers', { timers: 9 }],
  ['listeners', { listeners: 21 }],
  ['memory', { rssBytes: 1_000_001 }],
  ['unconfirmed messages', { unconfirmed: 1 }],
])('I10: more %s than at the start are a leak', (_what, more) => {
  const facts = run([], { samples: [{ first: sample, last: { ...sample, ...more } }] })
  expect(broken(facts)).toEqual({ I10: [expect.stringContaining('consumer-1.0')] })
})

test('I10: the window of unconfirmed messages is a bound', () => {
  expect(broken(run([], { maxUnconfirmed: 501 }))).toHaveProperty('I10')
})

test('I11: a stall, a process that hangs, one that is not ready, and a publish without end break it', () => {
  expect(broken(run([], { longestStallMs: 15_001 }))).toHaveProperty('I11')
  expect(broken(run([], { dead: ['consumer-1.0 did not end'] }))).toHaveProperty('I11')
  const unready = { first: sample, last: { ...sample, ready: false } }
  expect(broken(run([], { samples: [unready] }))).toHaveProperty('I11')
  expect(broken(run([`a ${fine} 1`, 'e 2']))).toEqual({ I11: [fine] })
  // Nobody can know what a killed process would have heard.
  expect(broken(run([`a ${fine} 1`]))).toEqual({})
})
