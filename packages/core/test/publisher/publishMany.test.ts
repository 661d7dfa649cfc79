import { describe, expect, it } from 'vitest'
import type { Receipt } from '../../src/ports.js'
import { createGate } from '../fakeTransport.js'
import type { Gate } from '../fakeTransport.js'
import { orderPlaced } from '../fixtures.js'
import { rejection, rejectionCode } from '../rejections.js'
import { createBench, refusal } from '../publisherBench.js'

describe('publishMany', () => {
  const list = ['a', 'b', 'c'].map((orderId) => ({ orderId }))

  it('resolves when all are confirmed, results in the order of the list', async () => {
    const { publisher, transport, clock } = createBench()
    const gates: Gate<Receipt>[] = []
    transport.answer = () => {
      const gate = createGate<Receipt>()
      gates.push(gate)
      return gate.promise
    }
    const published = publisher.publishMany(orderPlaced, list)
    await clock.advance(0)
    for (const gate of gates.toReversed()) gate.open({ routed: true })
    const results = await published
    expect(results.map(({ id }) => id)).toEqual(transport.sent.map(({ message }) => message.id))
  })

  it('resolves to nothing for an empty list', async () => {
    const { publisher } = createBench()
    expect(await publisher.publishMany(orderPlaced, [])).toEqual([])
  })

  it('sends nothing when one is invalid', async () => {
    const { publisher, transport } = createBench()
    const code = await rejectionCode(publisher.publishMany(orderPlaced, [...list, { orderId: '' }]))
    expect(code).toBe('POSTHORN_INVALID_DATA')
    expect(transport.sent).toEqual([])
  })

  it('lists those that were not confirmed, each with its own error', async () => {
    const { publisher, transport } = createBench()
    const error = refusal()
    let sends = 0
    transport.answer = async () => {
      if (sends++ === 1) throw error
      return { routed: true }
    }
    expect(await rejection(publisher.publishMany(orderPlaced, list))).toMatchObject({
      code: 'POSTHORN_PUBLISH_MANY',
      outcome: 'unknown',
      details: { failed: [{ index: 1, error }] },
    })
  })

  it('says notSent only when none was sent', async () => {
    const { publisher, transport } = createBench()
    transport.answer = () => Promise.reject(refusal())
    expect(await rejection(publisher.publishMany(orderPlaced, list))).toMatchObject({ outcome: 'notSent' })
  })

  it('refuses one id for many messages', async () => {
    const { publisher, transport } = createBench()
    const code = await rejectionCode(publisher.publishMany(orderPlaced, list, { id: 'same' } as never))
    expect(code).toBe('POSTHORN_CONFIGURATION')
    expect(transport.sent).toEqual([])
  })
})
