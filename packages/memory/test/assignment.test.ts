import { describe, expect, it } from 'vitest'
import { assignEvenly } from '../src/assignment.js'

const nobody: (string | undefined)[] = Array.from({ length: 8 })
const counts = (owners: readonly (string | undefined)[]): Record<string, number> => {
  const result: Record<string, number> = {}
  for (const owner of owners) result[String(owner)] = (result[String(owner)] ?? 0) + 1
  return result
}

describe('assignEvenly', () => {
  it('gives every partition an owner, and nobody more than one above the others', () => {
    expect(counts(assignEvenly(nobody, ['a', 'b', 'c']))).toEqual({ a: 3, b: 3, c: 2 })
  })

  it('leaves all partitions without an owner when there is no member', () => {
    expect(assignEvenly(['a', 'a'], [])).toEqual([undefined, undefined])
  })

  it('moves only as many as a new member needs', () => {
    const before = assignEvenly(nobody, ['a', 'b'])
    const after = assignEvenly(before, ['a', 'b', 'c'])
    expect(counts(after)).toEqual({ a: 3, b: 3, c: 2 })
    expect(after.filter((owner, index) => owner !== before[index])).toEqual(['c', 'c'])
  })

  it('moves only what a member leaves behind', () => {
    const before = assignEvenly(nobody, ['a', 'b', 'c', 'd'])
    const after = assignEvenly(before, ['a', 'b', 'd'])
    expect(after.filter((owner, index) => owner !== before[index])).toHaveLength(2)
    expect(after).not.toContain('c')
  })

  it('gives nothing to members beyond the number of partitions', () => {
    expect(assignEvenly([undefined, undefined], ['a', 'b', 'c'])).toEqual(['a', 'b'])
  })
})
