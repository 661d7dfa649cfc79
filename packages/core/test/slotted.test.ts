import { expect, it } from 'vitest'
import { createSlotted } from '../src/slotted.js'
import type { HasSlot } from '../src/slotted.js'
import { seededRandom } from '../../../test/seededRandom.js'

it('holds what was added and not removed, like a set, and every item knows its place (random)', () => {
  const random = seededRandom(3)
  for (let run = 0; run < 50; run += 1) {
    const items: HasSlot[] = Array.from({ length: 30 }, () => ({ slot: -1 }))
    const slotted = createSlotted<HasSlot>()
    const model = new Set<HasSlot>()
    for (let step = 0; step < 200; step += 1) {
      const item = items[Math.floor(random() * items.length)]!
      if (random() < 0.5) {
        if (slotted.remove(item) !== model.delete(item)) expect.unreachable(`run ${run}, step ${step}`)
      } else if (!model.has(item)) {
        slotted.add(item)
        model.add(item)
      }
      if (slotted.size !== model.size) expect.unreachable(`run ${run}, step ${step}`)
    }
    expect(new Set(slotted.snapshot())).toEqual(model)
    expect(slotted.snapshot().every((item, index) => item.slot === index)).toBe(true)
    expect(items.filter((item) => !model.has(item)).every(({ slot }) => slot === -1)).toBe(true)
  }
})

it('gives a snapshot that its caller may remove from while it walks', () => {
  const slotted = createSlotted<HasSlot & { name: string }>()
  for (const name of ['a', 'b', 'c', 'd']) slotted.add({ slot: -1, name })
  const seen: string[] = []
  for (const item of slotted.snapshot()) {
    seen.push(item.name)
    slotted.remove(item)
  }
  expect(seen).toEqual(['a', 'b', 'c', 'd'])
  expect(slotted.size).toBe(0)
})

it('does not take an item for its own that stands in another collection', () => {
  const one = createSlotted<HasSlot>()
  const two = createSlotted<HasSlot>()
  const item = { slot: -1 }
  const neighbour = { slot: -1 }
  one.add(item)
  two.add(neighbour)
  expect(two.remove(item)).toBe(false)
  expect(two.snapshot()).toEqual([neighbour])
  expect(one.remove(item)).toBe(true)
  expect(one.remove(item)).toBe(false)
})
