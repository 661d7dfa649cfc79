import { describe, expect, it } from 'vitest'
import type { Clock } from '../src/clock.js'
import { createUuidV7, deriveId } from '../src/ids.js'
import { systemClock } from '../src/clock.js'
import { seededRandom } from '../../../test/seededRandom.js'

/** A wall clock that a test sets; the generator needs nothing else of a clock. */
function wallClock(nowMs: number): Clock & { nowMs: number } {
  const clock = { ...systemClock, nowMs, now: () => clock.nowMs }
  return clock
}

const uuid = (version: string): RegExp =>
  new RegExp(`^[0-9a-f]{8}-[0-9a-f]{4}-${version}[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
const timeOf = (id: string): number => Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)

describe('UUIDv7', () => {
  it('has the version, the variant and the milliseconds of RFC 9562', () => {
    // The test vector of RFC 9562, appendix A.6, is of this time.
    const newId = createUuidV7(wallClock(0x017f22e279b0))
    const id = newId()
    expect(id).toMatch(uuid('7'))
    expect(id.slice(0, 13)).toBe('017f22e2-79b0')
  })

  it('carries times of every size', () => {
    for (const nowMs of [1, 0xffff, 0x10000, 0xffffffff, 0x100000000, Date.UTC(2026, 0, 1), Date.UTC(9999, 11, 31)]) {
      expect(timeOf(createUuidV7(wallClock(nowMs))())).toBe(nowMs)
    }
  })

  it('increases strictly within one millisecond, also beyond what its counter holds', () => {
    const newId = createUuidV7(wallClock(1_700_000_000_000))
    let last = newId()
    for (let count = 0; count < 20_000; count += 1) {
      const id = newId()
      if (id <= last || !uuid('7').test(id)) expect.unreachable(`${id} after ${last}`)
      last = id
    }
    // Borrowed milliseconds: at least 2,048 ids fit into one.
    expect(timeOf(last) - 1_700_000_000_000).toBeLessThanOrEqual(10)
  })

  it('increases strictly whatever the wall clock does', () => {
    const random = seededRandom(11)
    const clock = wallClock(1_700_000_000_000)
    const newId = createUuidV7(clock)
    let last = newId()
    for (let count = 0; count < 20_000; count += 1) {
      if (random() < 0.05) clock.nowMs += Math.floor((random() - 0.5) * 10_000)
      else if (random() < 0.3) clock.nowMs += 1
      const id = newId()
      if (id <= last || !uuid('7').test(id)) expect.unreachable(`${id} after ${last} at ${clock.nowMs}`)
      last = id
    }
  })

  it('follows the clock again once that has caught up', () => {
    const clock = wallClock(1_700_000_000_000)
    const newId = createUuidV7(clock)
    newId()
    clock.nowMs -= 3_600_000
    expect(timeOf(newId())).toBe(1_700_000_000_000)
    clock.nowMs = 1_700_000_000_001
    expect(timeOf(newId())).toBe(1_700_000_000_001)
  })

  it('differs between generators that count in the same millisecond', () => {
    const clock = wallClock(1_700_000_000_000)
    const generators = Array.from({ length: 40 }, () => createUuidV7(clock))
    const ids = generators.flatMap((newId) => Array.from({ length: 500 }, newId))
    expect(new Set(ids).size).toBe(20_000)
    // The random part alone: sixty-two bits, so that even equal counters do not meet.
    expect(new Set(ids.map((id) => id.slice(19))).size).toBe(20_000)
  })
})

describe('a derived id', () => {
  it('is the same in every release: outboxes and inboxes are full of them', () => {
    // SHA-256 of the parts as JSON, with version and variant of RFC 9562 put in; computed by another program.
    expect(deriveId(['/shop', 'e-1', 'billing', 'com.example.paid.v1', 'k', undefined])).toBe(
      '6009053c-a7ce-8fe4-967f-be328a6912f9',
    )
    expect(deriveId(['/shop', 'e-1', 'billing', 'com.example.paid.v1', undefined, 'refund'])).toBe(
      'afa92be6-b26c-8744-b08e-34153603084b',
    )
    expect(deriveId(['ü', '\u0000', '"', '', 'ﬁ', '🦄'])).toBe('24067621-c468-8695-b296-938a6c554764')
  })

  it('is a UUIDv8', () => {
    for (let index = 0; index < 200; index += 1) expect(deriveId([String(index)])).toMatch(uuid('8'))
  })

  it('differs when any part differs, is moved into its neighbour, or is missing', () => {
    const base = ['/s', 'id', 'group', 'type', 'key', 'step']
    const lists: (string | undefined)[][] = [base]
    for (let at = 0; at < base.length; at += 1) {
      lists.push(base.map((part, index) => (index === at ? `${part}x` : part)))
      lists.push(base.map((part, index) => (index === at ? undefined : part)))
      lists.push(base.map((part, index) => (index === at ? '' : part)))
      lists.push(
        base.map((part, index) => (index === at ? `${part}${base[at + 1] ?? ''}` : index === at + 1 ? '' : part)),
      )
      lists.push(base.map((part, index) => (index === at ? `${part}","` : part)))
    }
    expect(new Set(lists.map((list) => deriveId(list))).size).toBe(new Set(lists.map((l) => JSON.stringify(l))).size)
  })
})
