import { describe, expect, test } from 'vitest'
import { addsUp, jsonOf, tableOf } from '../../src/demo/report.js'
import { createRejections } from '../../src/demo/rejections.js'
import type { DatabaseCounts } from '../../src/demo/reconciliation.js'
import type { DemoResult } from '../../src/demo/runDemo.js'

const sound: DatabaseCounts = {
  name: 'pglite',
  orders: 8,
  placedEvents: 8,
  payments: 7,
  charged: 5,
  declined: 2,
  answered: 7,
  repeated: 0,
  ghosts: 0,
  waiting: 0,
}

const inDatabase = (changes: Partial<DatabaseCounts> = {}): DatabaseCounts => ({ ...sound, ...changes })
const empty = { orders: 0, placedEvents: 0, payments: 0, charged: 0, declined: 0, answered: 0 }

function resultOf(changes: Partial<DemoResult> = {}, rejected = 2): DemoResult {
  const rejections = createRejections()
  for (let line = 1; line <= rejected; line += 1) rejections.add({ line, code: 'SHOP_NOT_JSON', message: 'no "JSON"' })
  return {
    transport: 'memory',
    read: 10,
    published: 8,
    rejections,
    handled: 7,
    deadLettered: 1,
    lost: 0,
    retried: 3,
    repeated: 0,
    durationMs: 1_234,
    tally: { paid: 5, declined: 2, reasons: new Map([['nonRetryable', 1]]), strays: 0, strayDeadLetters: 0 },
    missing: [],
    lateUsers: 0,
    faults: 0,
    database: inDatabase(),
    crashes: undefined,
    isStalled: false,
    isInterrupted: false,
    ...changes,
  }
}

describe('a run adds up', () => {
  test('when every line and every order has its end', () => {
    expect(addsUp(resultOf())).toBe(true)
    expect(
      addsUp(resultOf({ read: 0, published: 0, handled: 0, deadLettered: 0, database: inDatabase(empty) }, 0)),
    ).toBe(true)
  })

  test.each([
    ['an order is lost', { handled: 6, lost: 1 }],
    ['a line is neither published nor rejected', { read: 11 }],
    ['an order is counted twice', { handled: 8, lost: -1 }],
    ['nothing moved any more', { isStalled: true }],
    ['a registration did not arrive', { lateUsers: 1 }],
    ['the demo has a fault of its own', { faults: 1 }],
    ['an order was committed and not published', { database: inDatabase({ orders: 9 }) }],
    ['an event is still in an outbox', { database: inDatabase({ placedEvents: 7, waiting: 1 }) }],
    ['an order was charged twice', { database: inDatabase({ payments: 8, repeated: 1 }) }],
    ['a payment is missing', { database: inDatabase({ payments: 6 }) }],
    ['a payment has no order', { database: inDatabase({ ghosts: 1 }) }],
    ['the order service did not note an outcome', { database: inDatabase({ answered: 6 }) }],
  ])('not when %s', (_what, changes) => {
    expect(addsUp(resultOf(changes))).toBe(false)
  })
})

test('the JSON is one object on one line, with exactly the fields that were promised', () => {
  const text = [...jsonOf(resultOf())].join('')
  expect(text.indexOf('\n')).toBe(text.length - 1)
  expect(JSON.parse(text)).toEqual({
    transport: 'memory',
    read: 10,
    published: 8,
    rejected: [
      { line: 1, code: 'SHOP_NOT_JSON', message: 'no "JSON"' },
      { line: 2, code: 'SHOP_NOT_JSON', message: 'no "JSON"' },
    ],
    handled: 7,
    retried: 3,
    deadLettered: 1,
    lost: 0,
    durationMs: 1_234,
    database: sound,
  })
})

test('the JSON of a run with chaos tells what crashed', () => {
  const crashes = { orders: 3, payments: 2, relay: 1, connections: 0 }
  expect(JSON.parse([...jsonOf(resultOf({ crashes }))].join(''))).toMatchObject({ crashes })
})

describe('the table', () => {
  test('names the lines that were rejected and those whose orders were lost', () => {
    const text = [...tableOf(resultOf({ handled: 6, lost: 1, missing: [77] }))].join('')
    expect(text).toContain('SHOP_NOT_JSON')
    expect(text).toContain('lines 77')
    expect(text).toContain('does not add up')
  })

  test('lists the first rejections and counts the rest', () => {
    const text = [...tableOf(resultOf({ read: 1_008 }, 1_000))].join('')
    expect(text).toContain('and 960 more')
    expect(text.split('\n').length).toBeLessThan(70)
  })
})
