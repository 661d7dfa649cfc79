import { describe, expect, it } from 'vitest'
import { wireMessage } from './support/broker.js'
import { settled } from './support/manualClock.js'
import { createRig, notSent } from './support/senderRig.js'

describe('a message', () => {
  it('that is a copy is sent however large it is, and a refusal says how much of it are headers', async () => {
    const { driver, clock, transport } = await createRig({}, { orders: 1, 'orders.billing.dead': 1 })
    const headers = { big: 'b'.repeat(50_000) }
    const sending = transport.send(
      { dead: { destination: 'orders', group: 'billing' } },
      wireMessage({ id: 'm', body: Buffer.alloc(1_000_001), headers }),
      { deadline: clock.monotonic() + 1_000 },
    )
    await settled()
    driver.sends[0]!.fail('tooLarge', 'no')
    const refusal: unknown = await sending.catch((error: unknown) => error)
    expect(refusal).toMatchObject(notSent('POSTHORN_PUBLISH_TOO_LARGE'))
    const { details } = refusal as { details: { headerBytes: number } }
    expect(details).not.toHaveProperty('maxHeaderBytes')
    expect(details.headerBytes - 50_000).toBeGreaterThan(0)
    expect(details.headerBytes - 50_000).toBeLessThan(200)
  })

  it('whose headers make it larger than what the topic takes is refused before anything is sent', async () => {
    const { driver, clock, transport } = await createRig()
    const sending = (bytes: number): Promise<unknown> =>
      transport.send(
        { destination: 'orders' },
        wireMessage({ id: 'm', body: Buffer.alloc(1_000_000), headers: { big: 'ß'.repeat(bytes / 2) } }),
        { deadline: clock.monotonic() + 1_000 },
      )
    await expect(sending(37_000)).rejects.toMatchObject(notSent('POSTHORN_PUBLISH_TOO_LARGE'))
    const fits = sending(36_000)
    await settled()
    expect(driver.sends).toHaveLength(1)
    driver.sends[0]!.confirm()
    await fits
  })

  it('with a header that is no string is refused alone', async () => {
    const { driver, clock, transport } = await createRig()
    const headers = { bad: 7 } as unknown as Record<string, string>
    const sending = transport.send({ destination: 'orders' }, wireMessage({ id: 'm', headers }), {
      deadline: clock.monotonic() + 1_000,
    })
    await expect(sending).rejects.toMatchObject(notSent('POSTHORN_PUBLISH_FAILED'))
    expect(driver.sends).toHaveLength(0)
  })
})

describe('batches', () => {
  it('are as large as ever once the one message that was too large is found', async () => {
    const { driver, outcomes, send } = await createRig()
    driver.onSend = ({ texts, confirm, fail }) => (texts.includes('large') ? fail('tooLarge', 'no') : confirm())
    for (const id of ['a', 'large', 'b', 'c']) send(id, { key: 'k' })
    for (let turn = 0; turn < 8; turn += 1) await settled()
    expect(outcomes.get('large')).toMatchObject(notSent('POSTHORN_PUBLISH_TOO_LARGE'))
    expect([...outcomes.values()].filter((outcome) => outcome === 'confirmed')).toHaveLength(3)
    const before = driver.sends.length
    for (let index = 0; index < 100; index += 1) send(`m-${index}`, { key: 'k' })
    await settled()
    expect(driver.sends).toHaveLength(before + 1)
  })

  it('stay small on a topic that takes none as large as we thought', async () => {
    const { driver, send } = await createRig()
    // No single message is too large here, only batches of more than four.
    driver.onSend = ({ texts, confirm, fail }) => (texts.length > 4 ? fail('tooLarge', 'no') : confirm())
    const publish = async (prefix: string): Promise<number> => {
      const before = driver.sends.length
      for (let index = 0; index < 16; index += 1) send(`${prefix}-${index}`, { key: 'k', body: Buffer.alloc(1_000) })
      for (let turn = 0; turn < 20; turn += 1) await settled()
      return driver.sends.length - before
    }
    expect(await publish('a')).toBeGreaterThan(4)
    expect(await publish('b')).toBe(4)
  })

  it.each([0, 1])(
    'stay as large as the topic takes when those that were refused are given up, and all but %i of them',
    async (alive) => {
      const { driver, clock, send } = await createRig()
      const sendAll = (prefix: string, deadline: (index: number) => number): void => {
        for (let index = 0; index < 16; index += 1) {
          send(`${prefix}-${index}`, { key: 'k', body: Buffer.alloc(1_000), deadline: deadline(index) })
        }
      }
      sendAll('a', (index) => (index < alive ? 60_000 : 1_000))
      await settled()
      expect(driver.sends[0]!.texts).toHaveLength(16)
      await clock.advance(1_500)
      driver.sends[0]!.fail('tooLarge', 'no')
      driver.onSend = ({ texts, confirm, fail }) => (texts.length > 4 ? fail('tooLarge', 'no') : confirm())
      for (let turn = 0; turn < 20; turn += 1) await settled()
      sendAll('b', () => 10_000)
      for (let turn = 0; turn < 20; turn += 1) await settled()
      const before = driver.sends.length
      sendAll('c', () => 10_000)
      for (let turn = 0; turn < 20; turn += 1) await settled()
      expect(driver.sends.length - before).toBe(4)
    },
  )

  it('keep the order of a key while they are divided', async () => {
    const { driver, send } = await createRig()
    const written: string[] = []
    driver.onSend = ({ texts, confirm, fail }) => {
      if (texts.length > 1 && texts.includes('m-5')) return fail('tooLarge', 'no')
      if (texts.includes('m-5')) return fail('tooLarge', 'no')
      written.push(...texts)
      confirm()
    }
    for (let index = 0; index < 12; index += 1) send(`m-${index}`, { key: 'k' })
    await settled()
    for (let index = 12; index < 20; index += 1) send(`m-${index}`, { key: 'k' })
    for (let turn = 0; turn < 20; turn += 1) await settled()
    const expected = Array.from({ length: 20 }, (_, index) => `m-${index}`).filter((id) => id !== 'm-5')
    expect(written).toEqual(expected)
  })
})
