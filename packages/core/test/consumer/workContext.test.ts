import { describe, expect, it } from 'vitest'
import { on, onBatch, PublishError } from '../../src/index.js'
import type { Handler, HandlerContext } from '../../src/index.js'
import { deriveId } from '../../src/ids.js'
import { envelopeOf, messageOf, orderPaid, orderPlaced, startConsumer } from '../fixtures.js'
import { rejectionCode } from '../rejections.js'
import type { Order, Running } from '../fixtures.js'

const consuming = (handler: Handler<Order>): Promise<Running> =>
  startConsumer({ handlers: [on(orderPlaced, handler)], retry: { delaysMs: [0, 1_000] } })

describe('publish', () => {
  it('inherits the correlation, names the cause, and derives its id from the cause', async () => {
    const { order, settle, transport } = await consuming(async ({ data }, context) => {
      await context.publish(orderPaid, data)
    })
    order('o-1', { attributes: { correlationid: 'c-1' } })
    order('o-2')
    await settle()
    const [first, second] = transport.sentTo('destination')
    expect(envelopeOf(first!)).toMatchObject({
      id: deriveId(['/elsewhere', 'o-1', 'billing', orderPaid.type, 'o-1', undefined]),
      correlationid: 'c-1',
      causationid: 'o-1',
      source: '/test',
    })
    expect(envelopeOf(second!)).toMatchObject({ correlationid: 'o-2', causationid: 'o-2' })
    expect(first?.message.id).toBe(envelopeOf(first!).id)
  })

  it('repeats its ids in every attempt, in process and through a rung', async () => {
    const { order, settle, transport } = await consuming(async ({ data }, context) => {
      await context.publish(orderPaid, data)
      await context.publish(orderPaid, data, { step: 'again' })
      throw new Error('after publishing')
    })
    order('o-1')
    await settle()
    transport.redeliver(transport.sentTo('retry')[0]!)
    await settle()
    const ids = transport.sentTo('destination').map(({ message }) => message.id)
    expect(ids).toHaveLength(6)
    expect(new Set(ids).size).toBe(2)
  })

  it('refuses the same derived id twice in one attempt, with a hint, and dead-letters at once', async () => {
    const { order, settle, transport } = await consuming(async ({ data }, context) => {
      await context.publish(orderPaid, data)
      await context.publish(orderPaid, data)
    })
    order('o-1')
    await settle()
    expect(transport.sentTo('destination')).toHaveLength(1)
    expect(transport.sentTo('dead')[0]?.message.headers['posthorn-reason']).toBe('nonRetryable')
  })

  it('can be repeated with the same id when it failed, as the error’s own advice says', async () => {
    const { order, settle, transport } = await consuming(async ({ data }, context) => {
      await context.publish(orderPaid, data).catch(() => context.publish(orderPaid, data))
    })
    let refusals = 1
    transport.answer = async ({ target }) => {
      if ('destination' in target && refusals-- > 0) {
        throw new PublishError({ code: 'POSTHORN_PUBLISH_DEADLINE', outcome: 'unknown', message: 'late' })
      }
      return { routed: true }
    }
    const delivery = order('o-1')
    await settle()
    expect(transport.sentTo('destination').map(({ message }) => message.id)).toHaveLength(2)
    expect(transport.sentTo('dead')).toEqual([])
    expect(delivery.ends).toEqual(['complete'])
  })

  it('lets options say otherwise, and takes those that are undefined for not given', async () => {
    const { order, settle, transport } = await consuming(async ({ data }, context) => {
      const given = { correlationId: 'own', causationId: 'mine', partitionKey: 'k', id: 'e-1' }
      await context.publish(orderPaid, data, given)
      const absent = { correlationId: undefined, causationId: undefined, id: undefined, partitionKey: undefined }
      await context.publish(orderPaid, data, absent as never)
    })
    order('o-1', { attributes: { correlationid: 'c-1' } })
    await settle()
    const [first, second] = transport.sentTo('destination').map((sent) => envelopeOf(sent))
    expect(first).toMatchObject({ id: 'e-1', correlationid: 'own', causationid: 'mine', partitionkey: 'k' })
    expect(second).toMatchObject({ correlationid: 'c-1', causationid: 'o-1', partitionkey: 'o-1' })
  })

  it('works when it is taken out of the context', async () => {
    const { order, settle, transport } = await consuming(async ({ data }, { publish }) => {
      await publish(orderPaid, data)
    })
    order('o-1')
    await settle()
    expect(transport.sentTo('destination')).toHaveLength(1)
  })

  it('refuses invalid data with pointers, before the contract’s own functions see it', async () => {
    const codes: unknown[] = []
    const { order, settle } = await consuming(async (_message, context) => {
      codes.push(await rejectionCode(context.publish(orderPaid, undefined as never)))
    })
    order('o-1')
    await settle()
    expect(codes).toEqual(['POSTHORN_INVALID_DATA'])
  })

  it('dead-letters at once when a handler publishes invalid data', async () => {
    const { order, settle, transport } = await consuming(async (_message, context) => {
      await context.publish(orderPaid, { orderId: '' })
    })
    order('o-1')
    await settle()
    expect(transport.sent.map(({ name }) => name)).toEqual(['orders.billing.dead'])
  })

  it('in a batch derives from the item that caused it', async () => {
    const { settle, transport, clock } = await startConsumer({
      handlers: [
        onBatch(
          orderPlaced,
          async (items, context) => {
            for (const item of items) await context.publish(orderPaid, item.data, { causedBy: item })
          },
          { maxCount: 2 },
        ),
      ],
    })
    transport.deliverAll(['a', 'b'].map((id) => messageOf(orderPlaced, { orderId: id }, { id })))
    await clock.advance(0)
    await settle()
    expect(transport.sentTo('destination').map((sent) => envelopeOf(sent).causationid)).toEqual(['a', 'b'])
  })
})

it('shows attempt, group, destination and headers', async () => {
  let seen: HandlerContext | undefined
  const { order, settle } = await consuming((_message, context) => void (seen = context))
  order('o-1', { headers: { 'posthorn-attempt': '2', tenant: 'acme' } })
  await settle()
  expect(seen).toMatchObject({ attempt: 2, group: 'billing', destination: 'orders' })
  expect(seen?.headers['tenant']).toBe('acme')
})

it('counts from 1 where the attempt header is no count', async () => {
  const seen: number[] = []
  const { order, settle } = await consuming((_message, { attempt }) => void seen.push(attempt))
  for (const value of ['0', '-1', '1.5', 'x', '', '007']) {
    order(`o${value}`, { headers: { 'posthorn-attempt': value } })
  }
  await settle()
  expect(seen).toEqual([1, 1, 1, 1, 1, 1])
})
