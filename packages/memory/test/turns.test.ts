import { afterEach, describe, expect, it, vi } from 'vitest'
import { createTurns, nextTurn } from '../src/turns.js'

afterEach(() => {
  vi.useRealTimers()
})

describe('createTurns', () => {
  it('runs all jobs of one turn together and in order, and those that they add in the next', async () => {
    const ran: string[] = []
    const turns = createTurns(() => ran.push('turn'))
    turns.run(() => {
      ran.push('first')
      turns.run(() => ran.push('third'))
    })
    turns.run(() => ran.push('second'))
    await Promise.resolve()
    expect(ran).toEqual([])
    await nextTurn()
    expect(ran).toEqual(['turn', 'first', 'second'])
    await nextTurn()
    expect(ran).toEqual(['turn', 'first', 'second', 'turn', 'third'])
  })

  it('goes on while a test runner holds the timers', async () => {
    vi.useFakeTimers()
    const turns = createTurns(() => undefined)
    await new Promise<void>((resolve) => turns.run(resolve))
  })
})
