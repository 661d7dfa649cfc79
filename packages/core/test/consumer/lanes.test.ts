import { expect, it } from 'vitest'
import { createLanes } from '../../src/consumer/lanes.js'
import type { InFlight } from '../../src/consumer/inFlight.js'
import { seededRandom } from '../../../../test/seededRandom.js'
import { itemOf, nameOf } from '../inFlightItems.js'

it('lets messages without a key pass at once, and gives nobody for them', () => {
  const lanes = createLanes()
  const [one, two] = [itemOf('1'), itemOf('2')]
  expect([lanes.enter(one), lanes.enter(two)]).toEqual([true, true])
  expect([lanes.leave(one), lanes.leave(two)]).toEqual([undefined, undefined])
  expect(lanes.waiting).toBe(0)
})

it('takes every string for a key, also the empty one and names of Object.prototype', () => {
  const lanes = createLanes()
  for (const laneKey of ['', '__proto__', 'constructor', 'toString']) {
    const first = itemOf('1', { laneKey })
    const second = itemOf('2', { laneKey })
    expect([lanes.enter(first), lanes.enter(second)]).toEqual([true, false])
    expect(lanes.leave(first)).toBe(second)
    expect(lanes.leave(second)).toBeUndefined()
    expect(lanes.enter(itemOf('3', { laneKey }))).toBe(true)
  }
})

it('lets one message of a key through at a time, in the order of arrival (random)', () => {
  const random = seededRandom(23)
  for (let run = 0; run < 100; run += 1) {
    const lanes = createLanes()
    const active = new Map<string, InFlight>()
    const model = new Map<string, string[]>() // Names in each lane, the active one first.
    const problems: string[] = []
    const start = (item: InFlight): void => {
      const key = item.laneKey!
      if (active.has(key)) problems.push(`two of ${key}`)
      if (model.get(key)?.[0] !== nameOf(item)) problems.push(`${nameOf(item)} is not the first of ${key}`)
      active.set(key, item)
    }
    for (let step = 0; step < 100; step += 1) {
      const laneKey = `k${Math.floor(random() * 5)}`
      const running = active.get(laneKey)
      if (running !== undefined && random() < 0.5) {
        active.delete(laneKey)
        model.get(laneKey)!.shift()
        const next = lanes.leave(running)
        if (next !== undefined) start(next)
        else if (model.get(laneKey)!.length > 0) problems.push(`${laneKey} is stuck`)
      } else {
        const item = itemOf(`m${step}`, { laneKey })
        model.set(laneKey, [...(model.get(laneKey) ?? []), nameOf(item)])
        if (lanes.enter(item)) start(item)
      }
      const waiting = [...model.values()].reduce((sum, lane) => sum + Math.max(0, lane.length - 1), 0)
      if (lanes.waiting !== waiting) problems.push(`${lanes.waiting} wait, expected ${waiting}`)
    }
    expect(problems).toEqual([])
    const drained = lanes.drain().map(nameOf)
    expect(new Set(drained)).toEqual(new Set([...model.values()].flatMap((lane) => lane.slice(1))))
    expect(lanes.waiting).toBe(0)
  }
})

it('drains each lane in order, and leaves those taken that were', () => {
  const lanes = createLanes()
  const first = itemOf('a1', { laneKey: 'a' })
  lanes.enter(first)
  for (const name of ['a2', 'a3', 'a4']) lanes.enter(itemOf(name, { laneKey: 'a' }))
  expect(lanes.drain().map(nameOf)).toEqual(['a2', 'a3', 'a4'])
  const later = itemOf('a5', { laneKey: 'a' })
  expect(lanes.enter(later)).toBe(false)
  expect(lanes.leave(first)).toBe(later)
})

it('takes out what is wanted: what leaves so frees no lane, and the others keep their turn', () => {
  const lanes = createLanes()
  const first = itemOf('a1', { laneKey: 'a' })
  lanes.enter(first)
  const [second, third] = [itemOf('a2', { laneKey: 'a' }), itemOf('a3', { laneKey: 'a' })]
  for (const item of [second, third]) lanes.enter(item)
  expect(lanes.drain((item) => item === second)).toEqual([second])
  expect(lanes.waiting).toBe(1)
  expect(lanes.leave(second)).toBeUndefined()
  expect(lanes.enter(itemOf('a4', { laneKey: 'a' }))).toBe(false)
  expect(lanes.leave(first)).toBe(third)
})
