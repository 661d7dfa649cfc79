import { expect, test, vi } from 'vitest'
import { createKnownUsers } from '../../src/orders/knownUsers.js'

test('waiting for a user ends when the user is heard of', async () => {
  const users = createKnownUsers()
  const waits = [users.whenKnown('u', 60_000), users.whenKnown('u', 60_000)]
  users.add('other')
  users.add('u')
  expect(await Promise.all(waits)).toEqual([true, true])
  expect(await users.whenKnown('u', 0)).toBe(true)
  expect(users.has('u')).toBe(true)
  expect(users.size).toBe(2)
})

test('waiting ends after its time, and the user may come later', async () => {
  vi.useFakeTimers()
  try {
    const users = createKnownUsers()
    const short = users.whenKnown('u', 10)
    const long = users.whenKnown('u', 1_000)
    await vi.advanceTimersByTimeAsync(10)
    expect(await short).toBe(false)
    expect(users.has('u')).toBe(false)
    users.add('u')
    expect(await long).toBe(true)
    expect(vi.getTimerCount()).toBe(0)
  } finally {
    vi.useRealTimers()
  }
})

test('users with ids that differ only where no attribute can hold them are two users', () => {
  const users = createKnownUsers()
  users.add('u\u0000')
  expect([users.has('u\u0000'), users.has('u\u0001'), users.has('u')]).toEqual([true, false, false])
})
