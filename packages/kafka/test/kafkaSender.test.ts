import { describe, expect, it } from 'vitest'
import { partitionOfKey } from '../src/murmur2.js'
import { wireMessage } from './support/broker.js'
import { settled } from './support/manualClock.js'
import { createRig as rig, notSent, unknown } from './support/senderRig.js'

describe('a partition', () => {
  it('has one send at a time, and what piled up goes next, in order', async () => {
    const { driver, outcomes, send } = await rig()
    for (const id of ['a', 'b', 'c']) send(id, { key: 'k' })
    await settled()
    expect(driver.sends.map(({ texts }) => texts)).toEqual([['a', 'b', 'c']])
    for (const id of ['d', 'e']) send(id, { key: 'k' })
    await settled()
    expect(driver.sends).toHaveLength(1)
    driver.sends[0]!.confirm()
    await settled()
    expect([...outcomes.keys()]).toEqual(['a', 'b', 'c'])
    expect(driver.sends[1]!.texts).toEqual(['d', 'e'])
  })

  it('does not wait for another', async () => {
    const { driver, send } = await rig({}, { orders: 4 })
    for (let index = 0; index < 40; index += 1) send(`m-${index}`, { key: `k${index}` })
    await settled()
    const partitions = driver.sends.map(({ batch }) => batch.partition)
    expect(new Set(partitions)).toEqual(new Set([0, 1, 2, 3]))
    expect(partitions).toHaveLength(4)
    for (const { batch } of driver.sends) {
      for (const { key } of batch.records) expect(partitionOfKey(Buffer.from(key!), 4)).toBe(batch.partition)
    }
  })

  it('gets batches of at most 500 messages and maxBatchBytes', async () => {
    const { driver, send } = await rig({ maxBatchBytes: 10_000 })
    for (let index = 0; index < 600; index += 1) send(`m-${index}`, { key: 'k', body: Buffer.alloc(0) })
    await settled()
    driver.sends[0]!.confirm()
    await settled()
    expect(driver.sends[0]!.batch.records.length).toBeLessThanOrEqual(500)
    expect(driver.sends.map(({ batch }) => batch.records.length).reduce((sum, count) => sum + count)).toBeLessThan(600)
    const big = await rig({ maxBatchBytes: 10_000 })
    for (const id of ['a', 'b', 'c']) big.send(id, { key: 'k', body: Buffer.alloc(4_500) })
    await settled()
    expect(big.driver.sends[0]!.batch.records).toHaveLength(2)
  })

  it('for messages without a key changes with each batch', async () => {
    const { driver, send } = await rig({}, { orders: 3 })
    const partitions: number[] = []
    for (let round = 0; round < 6; round += 1) {
      send(`a-${round}`)
      send(`b-${round}`)
      await settled()
      const { batch, confirm } = driver.sends.at(-1)!
      expect(batch.records).toHaveLength(2)
      partitions.push(batch.partition)
      confirm()
      await settled()
    }
    expect(new Set(partitions.slice(0, 3)).size).toBe(3)
    expect(partitions.slice(3)).toEqual(partitions.slice(0, 3))
  })
})

describe('messages without a key', () => {
  it('do not go where sends fail, as long as there are others', async () => {
    const { driver, clock, outcomes, send } = await rig({}, { orders: 2 })
    driver.onSend = ({ batch, confirm, fail }) => (batch.partition === 0 ? fail('unavailable', 'no') : confirm())
    for (let index = 0; index < 10; index += 1) {
      send(`m-${index}`)
      await settled()
    }
    await clock.advance(5_000)
    expect([...outcomes.values()].filter((outcome) => outcome === 'confirmed').length).toBeGreaterThanOrEqual(9)
  })
})

describe('a send that fails', () => {
  it('goes again before anything younger', async () => {
    const { driver, clock, outcomes, send } = await rig()
    send('a', { key: 'k' })
    await settled()
    send('b', { key: 'k' })
    driver.sends[0]!.fail('connection')
    await clock.advance(2_000)
    expect(driver.sends[1]!.texts).toEqual(['a'])
    driver.sends[1]!.confirm()
    await settled()
    expect(driver.sends[2]!.texts).toEqual(['b'])
    driver.sends[2]!.confirm()
    await settled()
    expect([...outcomes]).toEqual([
      ['a', 'confirmed'],
      ['b', 'confirmed'],
    ])
  })

  it('for its size is divided until the message at fault is alone', async () => {
    const { driver, outcomes, send } = await rig()
    for (let index = 0; index < 8; index += 1) send(`m-${index}`, { key: 'k' })
    await settled()
    // The broker takes everything but m-5.
    for (let answered = 0; answered < driver.sends.length; answered += 1) {
      const { texts, fail, confirm } = driver.sends[answered]!
      if (texts.includes('m-5')) fail('tooLarge', 'no')
      else confirm()
      await settled()
    }
    expect(outcomes.get('m-5')).toMatchObject(notSent('POSTHORN_PUBLISH_TOO_LARGE'))
    expect([...outcomes.values()].filter((outcome) => outcome === 'confirmed')).toHaveLength(7)
    const confirmed = [...outcomes].filter(([, outcome]) => outcome === 'confirmed').map(([id]) => id)
    expect(confirmed).toEqual(['m-0', 'm-1', 'm-2', 'm-3', 'm-4', 'm-6', 'm-7'])
  })

  it('for one invalid record is sent one by one', async () => {
    const { driver, outcomes, send } = await rig()
    for (const id of ['a', 'b', 'c']) send(id, { key: 'k' })
    await settled()
    for (let answered = 0; answered < driver.sends.length; answered += 1) {
      const { texts, fail, confirm } = driver.sends[answered]!
      if (texts.includes('b')) fail('invalidRecord', 'no')
      else confirm()
      await settled()
    }
    expect(outcomes.get('a')).toBe('confirmed')
    expect(outcomes.get('b')).toMatchObject(notSent('POSTHORN_PUBLISH_FAILED'))
    expect(outcomes.get('c')).toBe('confirmed')
  })

  it('for want of replicas is repeated until the deadline, and refused then', async () => {
    const { driver, clock, outcomes, send } = await rig()
    driver.onSend = ({ fail }) => fail('tooFewReplicas', 'no')
    send('a', { deadline: 10_000 })
    await clock.advance(9_900)
    expect(outcomes.size).toBe(0)
    expect(driver.sends.length).toBeGreaterThan(8)
    await clock.advance(200)
    expect(outcomes.get('a')).toMatchObject(notSent('POSTHORN_PUBLISH_REFUSED'))
  })

  it('for want of replicas after the leader has written it is refused as unknown', async () => {
    const { driver, clock, outcomes, send } = await rig()
    driver.onSend = ({ fail }) => fail('tooFewReplicas', 'unknown')
    send('a', { deadline: 2_000 })
    await clock.advance(2_100)
    expect(outcomes.get('a')).toMatchObject(unknown('POSTHORN_PUBLISH_REFUSED'))
  })

  it('for want of replicas is confirmed once they are back', async () => {
    const { driver, clock, outcomes, send } = await rig()
    driver.onSend = ({ fail, confirm }) => (driver.sends.length < 9 ? fail('tooFewReplicas', 'no') : confirm())
    send('a', { deadline: 30_000 })
    await clock.advance(10_000)
    expect(outcomes.get('a')).toBe('confirmed')
  })

  it('for missing rights is refused at once', async () => {
    const { driver, outcomes, send } = await rig()
    send('a')
    await settled()
    driver.sends[0]!.fail('authorization', 'no')
    await settled()
    expect(outcomes.get('a')).toMatchObject({ ...notSent('POSTHORN_PUBLISH_REFUSED'), retryable: false })
  })
})

describe('a caller', () => {
  it('gets notSent at the deadline of a message that waits behind another', async () => {
    const { driver, clock, outcomes, send } = await rig()
    send('a', { key: 'k' })
    await settled()
    send('b', { key: 'k', deadline: 500 })
    await clock.advance(600)
    expect(outcomes.get('b')).toMatchObject(notSent('POSTHORN_PUBLISH_DEADLINE'))
    driver.sends[0]!.confirm()
    await settled()
    expect(driver.sends).toHaveLength(1)
  })

  it('gets unknown at the deadline of a message that is being sent', async () => {
    const { clock, outcomes, send } = await rig()
    send('a', { deadline: 500 })
    await clock.advance(600)
    expect(outcomes.get('a')).toMatchObject(unknown('POSTHORN_PUBLISH_DEADLINE'))
  })

  it('gets notSent at the deadline of a message whose attempts never reached a broker', async () => {
    const { driver, clock, outcomes, send } = await rig()
    driver.onSend = ({ fail }) => fail('connection', 'no')
    send('a', { deadline: 5_000 })
    await clock.advance(5_100)
    expect(driver.sends.length).toBeGreaterThan(3)
    expect(outcomes.get('a')).toMatchObject(notSent('POSTHORN_PUBLISH_DEADLINE'))
  })

  it('gets unknown when an attempt ended without an answer, whatever came after it', async () => {
    const { driver, clock, outcomes, send } = await rig()
    send('a', { deadline: 3_000 })
    await settled()
    driver.sends[0]!.fail('connection', 'unknown')
    await clock.advance(1_100)
    driver.sends[1]!.fail('authorization', 'no')
    await settled()
    expect(outcomes.get('a')).toMatchObject(unknown('POSTHORN_PUBLISH_REFUSED'))
  })

  it('is repeated with longer pauses while each attempt may have put a copy into the log', async () => {
    const { driver, clock, send } = await rig()
    driver.onSend = ({ fail }) => fail('connection', 'unknown')
    send('a', { deadline: 60_000 })
    await clock.advance(3_150)
    // 0, 25, 75, 175, 375, 775, 1,575 ms at the soonest; each of the pauses may be longer.
    expect(driver.sends.length).toBeGreaterThan(3)
    expect(driver.sends.length).toBeLessThanOrEqual(7)
  })

  it('is repeated soon when the leader has moved, though that may have put a copy into the log', async () => {
    const { driver, clock, outcomes, send } = await rig()
    driver.onSend = ({ fail, confirm }) => (driver.sends.length < 4 ? fail('unavailable', 'unknown') : confirm())
    send('a')
    // At most 50, 100 and 200 ms.
    await clock.advance(350)
    expect(outcomes.get('a')).toBe('confirmed')
  })

  it('is let go by its signal, and not sent when it still waited', async () => {
    const { driver, outcomes, send } = await rig()
    send('a', { key: 'k' })
    await settled()
    const aborting = new AbortController()
    send('b', { key: 'k', signal: aborting.signal })
    aborting.abort()
    await settled()
    expect(outcomes.get('b')).toMatchObject(notSent('POSTHORN_PUBLISH_ABORTED'))
    driver.sends[0]!.confirm()
    await settled()
    expect(driver.sends).toHaveLength(1)
    send('c', { signal: aborting.signal })
    await settled()
    expect(outcomes.get('c')).toMatchObject(notSent('POSTHORN_PUBLISH_ABORTED'))
  })

  it('is refused a body that is too long before anything is sent', async () => {
    const { driver, outcomes, send } = await rig({ maxBodyBytes: 1_000 })
    send('a', { body: Buffer.alloc(1_001) })
    await settled()
    expect(outcomes.get('a')).toMatchObject(notSent('POSTHORN_PUBLISH_TOO_LARGE'))
    expect(driver.sends).toHaveLength(0)
  })

  it('is let go when the transport closes: what was under way is unknown, what waited is not sent', async () => {
    const { clock, outcomes, send, transport, driver } = await rig()
    send('a', { key: 'k' })
    await settled()
    send('b', { key: 'k' })
    const closing = transport.close(clock.monotonic() + 1_000)
    await clock.advance(1_100)
    await closing
    expect(outcomes.get('a')).toMatchObject(unknown('POSTHORN_PUBLISH_CONNECTION_LOST'))
    expect(outcomes.get('b')).toMatchObject(notSent('POSTHORN_PUBLISH_CONNECTION_LOST'))
    expect(driver.isClosed).toBe(true)
    expect(clock.pendingCount).toBeLessThanOrEqual(1)
  })

  it('is confirmed what is confirmed while the transport closes', async () => {
    const { clock, outcomes, send, transport, driver } = await rig()
    send('a')
    await settled()
    const closing = transport.close(clock.monotonic() + 1_000)
    driver.sends[0]!.confirm()
    await clock.advance(100)
    await closing
    expect(outcomes.get('a')).toBe('confirmed')
  })
})

describe('a topic', () => {
  it('that is not there is created with the partitions of its destination', async () => {
    const { driver, transport, clock } = await rig({}, { orders: 3 })
    const target = { retry: { destination: 'orders', group: 'billing', delayMs: 50 } }
    const sending = transport.send(target, wireMessage({ id: 'a' }), { deadline: clock.monotonic() + 1_000 })
    await settled()
    expect(driver.topicCounts.get('orders.billing.retry.50')).toBe(3)
    driver.sends[0]!.confirm()
    await sending
  })

  it('that is not there and may not be created is refused', async () => {
    const { driver, outcomes, send } = await rig({ topology: 'verify' }, {})
    send('a')
    await settled()
    expect(outcomes.get('a')).toMatchObject(notSent('POSTHORN_PUBLISH_NO_DESTINATION'))
    driver.topicCounts.set('orders', 2)
    send('b')
    await settled()
    driver.sends[0]!.confirm()
    await settled()
    expect(outcomes.get('b')).toBe('confirmed')
  })

  it('is looked for as long as somebody waits, and keeps the order of who waited', async () => {
    const { driver, clock, outcomes, send } = await rig()
    driver.failQuestions = 'connection'
    send('a', { key: 'k', deadline: 500 })
    send('b', { key: 'k' })
    await clock.advance(700)
    send('c', { key: 'k' })
    expect(outcomes.get('a')).toMatchObject(notSent('POSTHORN_PUBLISH_DEADLINE'))
    driver.failQuestions = undefined
    await clock.advance(4_000)
    expect(driver.sends[0]!.texts).toEqual(['b', 'c'])
  })

  it('is not asked for when nobody waits any more', async () => {
    const { driver, clock, send } = await rig()
    driver.failQuestions = 'unavailable'
    send('a', { deadline: 500 })
    await clock.advance(5_000)
    const { questions } = driver
    await clock.advance(60_000)
    expect(driver.questions).toBe(questions)
  })

  it('that was deleted is found out, and refused', async () => {
    const { driver, clock, outcomes, send } = await rig({ topology: 'verify' })
    send('a')
    await settled()
    driver.topicCounts.delete('orders')
    driver.sends[0]!.fail('unknownTopic', 'no')
    await clock.advance(2_000)
    expect(outcomes.get('a')).toMatchObject(notSent('POSTHORN_PUBLISH_NO_DESTINATION'))
  })

  it('that was deleted after an attempt that may have been written is refused as unknown', async () => {
    const { driver, clock, outcomes, send } = await rig({ topology: 'verify' })
    send('a', { key: 'k' })
    await settled()
    send('b', { key: 'k' })
    driver.sends[0]!.fail('connection', 'unknown')
    driver.topicCounts.delete('orders')
    await clock.advance(100)
    driver.sends[1]!.fail('unknownTopic', 'no')
    await clock.advance(2_000)
    expect(outcomes.get('a')).toMatchObject({
      ...unknown('POSTHORN_PUBLISH_NO_DESTINATION'),
      message: expect.stringContaining('publish again with the same id') as string,
    })
    expect(outcomes.get('b')).toMatchObject(notSent('POSTHORN_PUBLISH_NO_DESTINATION'))
    // By now it is known to be gone: the next one is told at once.
    send('c')
    await settled()
    expect(outcomes.get('c')).toMatchObject(notSent('POSTHORN_PUBLISH_NO_DESTINATION'))
  })

  it('that was there is not gone because a broker that has just started does not know it yet', async () => {
    const { driver, clock, outcomes, send } = await rig({ topology: 'verify' })
    send('a')
    await settled()
    driver.topicCounts.delete('orders')
    driver.sends[0]!.fail('unknownTopic', 'unknown')
    await clock.advance(500)
    driver.topicCounts.set('orders', 1)
    driver.onSend = ({ confirm }) => confirm()
    await clock.advance(2_000)
    expect(outcomes.get('a')).toBe('confirmed')
  })

  it('that was made anew with fewer partitions is sent to by the new number', async () => {
    const { driver, clock, outcomes, send } = await rig({}, { orders: 8 })
    const keys = Array.from({ length: 20 }, (_, index) => `k${index}`)
    for (const key of keys) send(key, { key })
    await settled()
    const first = driver.sends.slice()
    driver.topicCounts.set('orders', 1)
    driver.onSend = ({ batch, confirm, fail }) => (batch.partition === 0 ? confirm() : fail('unavailable', 'no'))
    for (const { fail } of first) fail('unknownTopic', 'no')
    await clock.advance(5_000)
    expect([...outcomes.values()]).toEqual(keys.map(() => 'confirmed'))
  })

  it('gets more partitions within a minute of sending', async () => {
    const { driver, clock, send } = await rig({}, { orders: 1 })
    send('a', { key: 'k' })
    await settled()
    driver.sends[0]!.confirm()
    driver.topicCounts.set('orders', 16)
    await clock.advance(61_000)
    send('b', { key: 'k' })
    await settled()
    for (let index = 0; index < 100; index += 1) send(`m-${index}`, { key: `k${index}` })
    await settled()
    expect(new Set(driver.sends.map(({ batch }) => batch.partition)).size).toBeGreaterThan(8)
  })
})

describe('health', () => {
  it('is well again when brokers answer and nothing waits to be sent', async () => {
    const { driver, clock, transport, send } = await rig()
    driver.onSend = ({ fail }) => {
      driver.failQuestions = 'connection'
      fail('connection', 'no')
    }
    send('a', { deadline: 500 })
    await clock.advance(20_000)
    expect(transport.health()).toMatchObject({
      state: 'connecting',
      reasons: [{ code: 'connecting', what: expect.stringContaining('sending') as string }],
    })
    driver.failQuestions = undefined
    await clock.advance(20_000)
    expect(transport.health()).toMatchObject({ state: 'ready', reconnects: 1 })
    await transport.close(clock.monotonic())
    expect(clock.pendingCount).toBe(0)
  })

  it('is not well as long as what waits to be sent fails, whatever brokers answer', async () => {
    const { driver, clock, transport, send } = await rig()
    driver.onSend = ({ fail }) => fail('connection', 'no')
    send('a', { deadline: 60_000 })
    await clock.advance(30_000)
    expect(transport.health()).toMatchObject({ state: 'connecting' })
    await transport.close(clock.monotonic())
  })

  it('tells when sending fails, and when it works again', async () => {
    const { driver, clock, send, transport } = await rig()
    expect(transport.health()).toMatchObject({ state: 'ready', reconnects: 0 })
    send('a')
    await settled()
    driver.sends[0]!.fail('connection')
    await settled()
    expect(transport.health()).toMatchObject({
      state: 'connecting',
      reasons: [{ code: 'connecting', what: 'sending: fake connection' }],
    })
    await clock.advance(2_000)
    driver.sends[1]!.confirm()
    await settled()
    expect(transport.health()).toMatchObject({ state: 'ready', reconnects: 1, addresses: ['kafka:9092'] })
    expect(transport.health()).toMatchObject({ ready: true, reasons: [] })
  })
  it('counts what became of messages and batches', async () => {
    const { driver, clock, send, transport } = await rig()
    expect(transport.health().counts).toMatchObject({ confirmed: 0, refused: 0, batches: 0, resent: 0, divided: 0 })
    driver.onSend = ({ texts, confirm, fail }) => {
      if (driver.sends.length === 1) fail('connection')
      else if (texts.includes('large')) fail('tooLarge', 'no')
      else confirm()
    }
    for (const id of ['a', 'b', 'large']) send(id, { key: 'k' })
    await clock.advance(2_000)
    const batches = driver.sends.length
    expect(transport.health().counts).toMatchObject({ confirmed: 2, refused: 1, batches, resent: 3, divided: 1 })
  })
})
