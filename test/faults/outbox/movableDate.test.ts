import { afterEach, expect, test } from 'vitest'
import { createMovableDate } from './movableDate.js'

const RealDate = Date
afterEach(() => void (globalThis.Date = RealDate))

test('a moved clock shows another time, to whoever asks in whichever way', () => {
  createMovableDate().move(600_000)
  const real = RealDate.now()
  for (const shown of [Date.now(), new Date().getTime()]) {
    expect(shown - real).toBeGreaterThanOrEqual(600_000)
    expect(shown - real).toBeLessThan(660_000)
  }
})

test('a time that is given stays what it is, and dates stay dates', () => {
  createMovableDate().move(-600_000)
  expect(new Date('2026-01-01T00:00:00Z').toISOString()).toBe('2026-01-01T00:00:00.000Z')
  expect(new Date()).toBeInstanceOf(RealDate)
  expect(Date.parse('2026-01-01T00:00:00Z')).toBe(RealDate.parse('2026-01-01T00:00:00Z'))
})

test('a clock that is moved back shows the time of the machine', () => {
  const date = createMovableDate()
  date.move(600_000)
  date.move(0)
  expect(Math.abs(Date.now() - RealDate.now())).toBeLessThan(60_000)
})
