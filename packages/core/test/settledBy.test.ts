import { createVirtualClock } from '@posthorn/memory'
import { describe, expect, it } from 'vitest'
import { endedBy, settledBy } from '../src/settledBy.js'
import { createGate, never } from './fakeTransport.js'
import { isSettled, rejection } from './rejections.js'

const late = (): Error => new Error('late')

describe('settledBy', () => {
  it('gives what the work gives, before the deadline, and leaves no timer', async () => {
    const clock = createVirtualClock()
    expect(await settledBy({ clock, deadline: 100, work: Promise.resolve(7), late })).toBe(7)
    const error = new Error('own')
    expect(await rejection(settledBy({ clock, deadline: 100, work: Promise.reject(error), late }))).toBe(error)
    expect(clock.pending).toBe(0)
  })

  it('rejects at the deadline, not before', async () => {
    const clock = createVirtualClock()
    const settled = settledBy({ clock, deadline: 100, work: never(), late })
    settled.catch(() => {})
    await clock.advance(99)
    expect(await isSettled(settled)).toBe(false)
    await clock.advance(1)
    expect(await rejection(settled)).toMatchObject({ message: 'late' })
  })

  it('rejects in the next turn when the deadline is over', async () => {
    const clock = createVirtualClock()
    await clock.advance(500)
    const settled = rejection(settledBy({ clock, deadline: 100, work: never(), late }))
    await clock.advance(0)
    expect(await settled).toMatchObject({ message: 'late' })
  })

  it('swallows what the work says too late: no unhandled rejection', async () => {
    const clock = createVirtualClock()
    const gate = createGate()
    const settled = rejection(settledBy({ clock, deadline: 100, work: gate.promise, late }))
    await clock.advance(100)
    await settled
    gate.fail(new Error('too late')) // The runner fails a test whose file leaves a rejection unhandled.
    await clock.advance(0)
  })

  it('does not keep the process alive', async () => {
    const clock = createVirtualClock()
    settledBy({ clock, deadline: 100, work: never(), late }).catch(() => {})
    await clock.runAll() // Runs all timers but those in the background.
    expect(clock.monotonic()).toBe(0)
  })
})

describe('endedBy', () => {
  it('resolves at once without work', async () => {
    const clock = createVirtualClock()
    await endedBy(clock, 100, undefined)
    expect(clock.pending).toBe(0)
  })

  it('resolves when the work has settled, either way, and leaves no timer', async () => {
    const clock = createVirtualClock()
    await endedBy(clock, 100, Promise.resolve())
    await endedBy(clock, 100, Promise.reject(new Error('reported elsewhere')))
    expect(clock.pending).toBe(0)
  })

  it('resolves at the deadline, not before', async () => {
    const clock = createVirtualClock()
    const ended = endedBy(clock, 100, never())
    await clock.advance(99)
    expect(await isSettled(ended)).toBe(false)
    await clock.advance(1)
    expect(await isSettled(ended)).toBe(true)
  })

  it('keeps the process alive: a stop is worth waiting for', async () => {
    const clock = createVirtualClock()
    const ended = endedBy(clock, 100, never())
    await clock.runAll()
    expect(clock.monotonic()).toBe(100)
    await ended
  })
})
