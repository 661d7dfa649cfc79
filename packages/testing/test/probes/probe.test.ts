import { describe, expect, it } from 'vitest'
import { createProbe } from '../../src/probes/probe.js'

describe('createProbe', () => {
  it('finds what was recorded before and after the wait began', async () => {
    const probe = createProbe<number>('numbers')
    probe.record(1)
    const later = probe.waitFor((item) => item === 2)
    expect(await probe.waitFor((item) => item === 1)).toBe(1)
    probe.record(2)
    expect(await later).toBe(2)
  })

  it('finds an item that is undefined', async () => {
    const probe = createProbe<number | undefined>('numbers')
    const waiting = probe.waitFor((item) => item === undefined)
    probe.record(undefined)
    expect(await waiting).toBeUndefined()
  })

  it('resolves a count with all items as soon as there are so many', async () => {
    const probe = createProbe<number>('numbers')
    const three = probe.waitForCount(3)
    for (const item of [1, 2, 3, 4]) probe.record(item)
    expect(await three).toEqual([1, 2, 3, 4])
  })

  it('says what it waited for and what it saw instead when the time is over', async () => {
    const probe = createProbe<{ n: number }>('numbers', { describe: ({ n }) => `number ${n}`, timeoutMs: 5 })
    for (let n = 0; n < 12; n += 1) probe.record({ n })
    const error = await probe.waitFor(({ n }) => n === 99).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ name: 'ProbeTimeoutError' })
    expect((error as { seen: unknown[] }).seen).toHaveLength(12)
    const { message } = error as Error
    expect(message).toContain('5 ms')
    expect(message).toContain('a matching item of numbers')
    expect(message).toContain('seen were 12')
    expect(message).toContain('- number 9\n- and 2 more')
  })

  it('says so when it saw nothing, and takes the timeout of a single wait', async () => {
    const waiting = createProbe('numbers', { timeoutMs: 60_000 }).waitForCount(2, { timeoutMs: 1 })
    await expect(waiting).rejects.toThrow('Waited 1 ms for 2 items of numbers; nothing was seen')
  })

  it('shows also items that JSON cannot write', async () => {
    const probe = createProbe<unknown>('things', { timeoutMs: 1 })
    const loop: Record<string, unknown> = {}
    loop['self'] = loop
    probe.record(loop)
    probe.record(undefined)
    await expect(probe.waitForCount(3)).rejects.toThrow('[object Object]\n- undefined')
  })
})
