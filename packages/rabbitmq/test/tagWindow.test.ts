import { describe, expect, it } from 'vitest'
import { TagWindow } from '../src/tagWindow.js'
import { seededRandom } from '../../../test/seededRandom.js'

interface Item {
  readonly name: string
}

const windowOf = (...names: string[]): TagWindow<Item> => {
  const window = new TagWindow<Item>()
  for (const name of names) window.push({ name })
  return window
}

const namesOf = (items: Iterable<Item>): string[] => Array.from(items, ({ name }) => name)

/** Whole numbers that a seed repeats. */
function seeded(seed: number): (below: number) => number {
  const random = seededRandom(seed)
  return (below) => Math.floor(random() * below)
}

describe('a window of tags', () => {
  it('counts tags from 1, and settles each once, in any order', () => {
    const window = new TagWindow<Item>()
    expect(['a', 'b', 'c'].map((name) => window.push({ name }))).toEqual([1, 2, 3])
    expect(window.take(2)).toEqual({ name: 'b' })
    expect(window.take(2)).toBeUndefined()
    expect(window.oldest).toBe(1)
    expect(window.take(1)).toEqual({ name: 'a' })
    expect(window.oldest).toBe(3)
    expect(window.size).toBe(1)
    expect(window.take(3)).toEqual({ name: 'c' })
    expect(window.oldest).toBeUndefined()
    expect(window.push({ name: 'd' })).toBe(4)
  })

  it('settles everything up to a tag, the oldest first, and nothing twice', () => {
    const window = windowOf('a', 'b', 'c', 'd')
    window.take(2)
    expect(namesOf(window.takeUpTo(3))).toEqual(['a', 'c'])
    expect(namesOf(window.takeUpTo(3))).toEqual([])
    expect(namesOf(window)).toEqual(['d'])
  })

  it('knows no tag that was never given out', () => {
    const window = windowOf('a')
    expect(window.take(0)).toBeUndefined()
    expect(window.take(2)).toBeUndefined()
    expect(namesOf(window.takeUpTo(9))).toEqual(['a'])
    expect(window.size).toBe(0)
  })

  it('gives the tag of one that was taken back to the next', () => {
    const window = windowOf('a', 'b')
    window.pop()
    expect(window.push({ name: 'c' })).toBe(2)
    expect(namesOf(window.clear())).toEqual(['a', 'c'])
    expect(window.size).toBe(0)
    expect(window.push({ name: 'd' })).toBe(3)
  })

  it('keeps what stays open while a hundred thousand others are settled', () => {
    const window = windowOf('slow', 'slower')
    for (let tag = 3; tag <= 150_000; tag += 1) {
      expect(window.push({ name: 'quick' })).toBe(tag)
      window.take(tag)
    }
    expect(window.size).toBe(2)
    expect(window.oldest).toBe(1)
    expect(namesOf(window)).toEqual(['slow', 'slower'])
    expect(window.take(2)).toEqual({ name: 'slower' })
    expect(window.push({ name: 'new' })).toBe(150_001)
    expect(namesOf(window.takeUpTo(150_001))).toEqual(['slow', 'new'])
    expect(window.oldest).toBeUndefined()
  })

  it.each([1, 2, 3, 4, 5])('agrees with a map over any course of events (seed %i)', (seed) => {
    const random = seeded(seed)
    const window = new TagWindow<Item>()
    const model = new Map<number, Item>()
    for (let step = 0; step < 200_000; step += 1) {
      const item = { name: `${step}` }
      // Mostly more is settled than opened; now and then a long time nothing of the oldest is.
      if (random(100) < 52) model.set(window.push(item), item)
      else {
        const tags = [...model.keys()].slice(0, 20)
        const tag = tags[random(Math.max(1, tags.length))]
        if (tag === undefined) continue
        if (random(10) < 9) {
          expect(window.take(tag)).toBe(model.get(tag))
          model.delete(tag)
        } else {
          const expected = tags.filter((one) => one <= tag)
          expect(window.takeUpTo(tag)).toEqual(expected.map((one) => model.get(one)))
          for (const one of expected) model.delete(one)
        }
      }
      if (step % 1_000 === 0) {
        expect(window.size).toBe(model.size)
        expect(window.oldest).toBe(model.keys().next().value)
        expect([...window]).toEqual([...model.values()])
      }
    }
  })
})
