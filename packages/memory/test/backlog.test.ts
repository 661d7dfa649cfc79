import { describe, expect, it } from 'vitest'
import { Backlog } from '../src/backlog.js'
import { frozenHeaders, StoredMessage } from '../src/storedMessage.js'
import { messageOf } from './testClient.js'

const stored = (id: string): StoredMessage => new StoredMessage(messageOf(id), frozenHeaders({}), 0)
const filled = (count: number): Backlog => {
  const backlog = new Backlog()
  for (let index = 0; index < count; index += 1) backlog.push(stored(String(index)))
  return backlog
}
const take = (backlog: Backlog): StoredMessage => backlog.take() as StoredMessage
const drain = (backlog: Backlog): string[] => {
  const ids: string[] = []
  for (let next = backlog.take(); next !== undefined; next = backlog.take()) ids.push(next.id)
  return ids
}

describe('Backlog', () => {
  it('is first in, first out, also when it grows while its ring is wrapped', () => {
    const backlog = filled(12)
    for (let index = 0; index < 10; index += 1) backlog.take()
    for (let index = 12; index < 60; index += 1) backlog.push(stored(String(index)))
    expect(backlog.length).toBe(50)
    expect(drain(backlog)).toEqual(Array.from({ length: 50 }, (_, index) => String(index + 10)))
    expect([backlog.length, backlog.take()]).toEqual([0, undefined])
  })

  it('puts what is given back to its place, whatever the order of giving back', () => {
    const backlog = filled(8)
    const taken = Array.from({ length: 6 }, () => take(backlog))
    for (const index of [3, 1, 5, 0]) backlog.giveBack(taken[index] as StoredMessage)
    expect(backlog.length).toBe(6)
    expect([...backlog].map(({ id }) => id)).toEqual(['0', '1', '3', '5', '6', '7'])
    expect(drain(backlog)).toEqual(['0', '1', '3', '5', '6', '7'])
  })

  it('takes what is given back between two takes before everything that came later', () => {
    const backlog = filled(4)
    const [first, second, third] = [take(backlog), take(backlog), take(backlog)]
    backlog.giveBack(third)
    backlog.giveBack(second)
    expect(take(backlog).id).toBe('1')
    backlog.giveBack(first)
    backlog.push(stored('4'))
    expect(backlog.first()?.id).toBe('0')
    expect(drain(backlog)).toEqual(['0', '2', '3', '4'])
  })
})
