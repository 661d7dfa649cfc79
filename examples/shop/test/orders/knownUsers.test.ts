import { expect, test, vi } from 'vitest'
import { createKnownUsers } from '../../src/orders/knownUsers.js'

test('waiting for a user ends when the user is heard of', async () => {
  const users = createKnownUsers(async () => [])
  const waits = [users.whenKnown('u', 60_000), users.whenKnown('u', 60_000)]
  users.add('other')
  users.add('u')
  expect(await Promise.all(waits)).toEqual([true, true])
  expect(await users.whenKnown('u', 0)).toBe(true)
  expect(await users.has('u')).toBe(true)
  expect(users.size).toBe(2)
})

test('waiting ends after its time, and the user may come later', async () => {
  vi.useFakeTimers()
  try {
    const users = createKnownUsers(async () => [])
    const short = users.whenKnown('u', 10)
    const long = users.whenKnown('u', 1_000)
    await vi.advanceTimersByTimeAsync(10)
    expect(await short).toBe(false)
    expect(await users.has('u')).toBe(false)
    users.add('u')
    expect(await long).toBe(true)
    expect(vi.getTimerCount()).toBe(0)
  } finally {
    vi.useRealTimers()
  }
})

test('users that were heard of elsewhere are found in the table, those that are waited for when it is looked at', async () => {
  const table = new Set<string>()
  const asked: (readonly string[])[] = []
  const users = createKnownUsers(async (keys) => {
    asked.push(keys)
    return keys.filter((key) => table.has(key))
  })
  const wait = users.whenKnown('u', 60_000)
  await users.look()
  table.add('u')
  await users.look()
  expect(await wait).toBe(true)
  await users.look()
  expect(await users.has('u')).toBe(true)
  expect(asked).toEqual([['u'], ['u']])
})

test('users with ids that differ only where no attribute can hold them are two users', async () => {
  const users = createKnownUsers(async () => [])
  users.add('u\u0000')
  const has = await Promise.all(['u\u0000', 'u\u0001', 'u'].map((userId) => users.has(userId)))
  expect(has).toEqual([true, false, false])
})
