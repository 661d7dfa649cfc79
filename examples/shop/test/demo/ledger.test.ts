import { describe, expect, test } from 'vitest'
import { createLedger } from '../../src/demo/ledger.js'
import type { Ledger } from '../../src/demo/ledger.js'

const small = (): Ledger => createLedger({ maxOrders: 2, maxBytes: 100 })

function handle(ledger: Ledger, line: number): void {
  ledger.heard(line, 'charged')
  ledger.heard(line, 'told')
}

/** Whether a promise is settled after the jobs that are queued now. */
async function isResolved(promise: Promise<void>): Promise<boolean> {
  let resolved = false
  void promise.then(() => (resolved = true))
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve()
  return resolved
}

describe('an order', () => {
  test('is handled when it is confirmed, charged and told, in whatever order that is heard', () => {
    const ledger = createLedger({ maxOrders: 10, maxBytes: 100 })
    for (const line of [1, 2]) ledger.opened(line, 1)
    ledger.confirmed(1)
    handle(ledger, 1)
    handle(ledger, 2)
    expect(ledger.counts()).toMatchObject({ published: 1, handled: 1, lost: 0 })
    ledger.confirmed(2)
    expect(ledger.counts()).toMatchObject({ published: 2, handled: 2, lost: 0 })
    expect(ledger.underWay).toBe(0)
  })

  test('is lost as long as one of the two is missing', () => {
    const ledger = createLedger({ maxOrders: 10, maxBytes: 100 })
    for (const line of [4, 5, 6]) {
      ledger.opened(line, 1)
      ledger.confirmed(line)
    }
    ledger.heard(4, 'charged')
    ledger.heard(5, 'told')
    expect(ledger.counts()).toMatchObject({ published: 3, handled: 0, lost: 3 })
    expect(ledger.missing()).toEqual([4, 5, 6])
  })

  test('that is dead-lettered has its end in the dead letters', () => {
    const ledger = small()
    ledger.opened(1, 1)
    ledger.confirmed(1)
    ledger.heard(1, 'deadLettered')
    expect(ledger.counts()).toMatchObject({ published: 1, handled: 0, deadLettered: 1, lost: 0 })
  })

  test('counts once, however often it is delivered', () => {
    const ledger = small()
    ledger.opened(1, 1)
    ledger.confirmed(1)
    ledger.confirmed(1)
    ledger.heard(1, 'charged')
    ledger.heard(1, 'charged')
    ledger.heard(1, 'told')
    ledger.heard(1, 'deadLettered')
    expect(ledger.counts()).toMatchObject({ published: 1, handled: 1, deadLettered: 0, repeated: 2, lost: 0 })
  })

  test('whose publish failed does not count, whatever comes of it', () => {
    const ledger = small()
    ledger.opened(1, 1)
    ledger.heard(1, 'charged')
    ledger.refused(1)
    ledger.heard(1, 'told')
    expect(ledger.counts()).toMatchObject({ published: 0, handled: 0, lost: 0 })
  })
})

describe('the window', () => {
  test('has no room for more orders than allowed until one has its end', async () => {
    const ledger = small()
    ledger.opened(1, 1)
    expect(await isResolved(ledger.room())).toBe(true)
    ledger.opened(2, 1)
    const room = ledger.room()
    expect(await isResolved(room)).toBe(false)
    ledger.refused(1)
    expect(await isResolved(room)).toBe(true)
  })

  test('has no room for more bytes than allowed', async () => {
    const ledger = small()
    ledger.opened(1, 100)
    const room = ledger.room()
    expect(await isResolved(room)).toBe(false)
    ledger.confirmed(1)
    handle(ledger, 1)
    expect(await isResolved(room)).toBe(true)
  })

  test('is settled when nothing is under way, or when it is given up', async () => {
    const ledger = small()
    expect(await isResolved(ledger.settled())).toBe(true)
    ledger.opened(1, 1)
    ledger.opened(2, 1)
    const waits = [ledger.settled(), ledger.room()]
    expect(await Promise.all(waits.map(isResolved))).toEqual([false, false])
    ledger.giveUp()
    expect(await Promise.all([...waits, ledger.settled()].map(isResolved))).toEqual([true, true, true])
  })
})
