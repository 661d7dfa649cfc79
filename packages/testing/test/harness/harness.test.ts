import { readFile } from 'node:fs/promises'
import { createService, defineCommand, defineEvent, on, retryAfter, silentLogger } from '@posthorn/core'
import type { Service } from '@posthorn/core'
import { describe, expect, it } from 'vitest'
import { createHarness, createHarnessOf } from '../../src/harness/harness.js'
import type { Surroundings } from '../../src/harness/harness.js'

const schema = {
  type: 'object',
  required: ['orderId'],
  properties: { orderId: { type: 'string' } },
} as const
const orderPlaced = defineEvent({ type: 'com.example.order.placed.v1', destination: 'orders', schema })
const orderPaid = defineEvent({ type: 'com.example.order.paid.v1', destination: 'payments', schema })
const shipOrder = defineCommand({ type: 'com.example.ship.v1', destination: 'shipping', schema })

/** A worker that fails so often, then tells that the order is paid. */
function paymentWorker(failures: number): (surroundings: Surroundings) => Service {
  return (surroundings) => {
    const service = createService({ source: '/payments', ...surroundings })
    service.consume('billing', {
      handlers: [
        on(orderPlaced, async ({ data }, context) => {
          if (context.attempt <= failures) throw new Error('declined')
          await context.publish(orderPaid, data)
        }),
      ],
      retry: { delaysMs: [0, 60_000, 3_600_000] },
    })
    return service
  }
}

describe('createHarness', () => {
  it('handles what is delivered and tells what was published, also when nobody listens', async () => {
    await using t = await createHarness(paymentWorker(0))
    const { id } = await t.deliver(orderPlaced, { orderId: 'o-1' })
    await t.idle()
    const [paid, ...more] = t.published(orderPaid)
    expect(more).toEqual([])
    expect(paid).toMatchObject({ data: { orderId: 'o-1' }, destination: 'payments', routed: false })
    expect(paid?.envelope).toMatchObject({ causationid: id, source: '/payments' })
    expect(t.published()).toHaveLength(1)
    expect(t.published(orderPlaced)).toEqual([])
    expect(t.deadLetters()).toEqual([])
  })

  it('runs delayed retries in no time, at their virtual time', async () => {
    await using t = await createHarness(paymentWorker(3), { startAt: 0 })
    await t.deliver(orderPlaced, { orderId: 'o-1' })
    await t.idle()
    expect(t.published(orderPaid)).toHaveLength(1)
    expect(t.clock.now()).toBe(3_660_000)
  })

  it('tells dead letters with their reason', async () => {
    await using t = await createHarness(paymentWorker(9))
    await t.deliver(orderPlaced, { orderId: 'o-1' })
    await t.idle()
    expect(t.published()).toEqual([])
    const [letter] = t.deadLetters()
    expect(letter).toMatchObject({ reason: 'retriesExhausted', attempts: 4, group: 'billing' })
    expect(letter?.envelope?.data).toEqual({ orderId: 'o-1' })
  })

  it('moves time by hand', async () => {
    await using t = await createHarness(paymentWorker(3))
    await t.deliver(orderPlaced, { orderId: 'o-1' })
    await t.advance(59_999)
    expect(t.app.health().consumers[0]).toMatchObject({ retried: 1, handled: 0 })
    await t.advance(1)
    expect(t.app.health().consumers[0]?.retried).toBe(2)
    await t.advance(3_600_000)
    expect(t.published(orderPaid)).toHaveLength(1)
  })

  it('takes bytes that no publisher would let out', async () => {
    await using t = await createHarness(paymentWorker(0))
    await t.deliverRaw('orders', { type: orderPlaced.type, body: Buffer.from('hello'), contentType: 'text/plain' })
    await t.idle()
    expect(t.deadLetters()).toMatchObject([{ reason: 'foreign', attempts: 0, envelope: undefined }])
  })

  it('refuses to deliver what no service of the harness listens for', async () => {
    await using t = await createHarness(paymentWorker(0))
    const lost = t.deliver(orderPaid, { orderId: 'o-1' })
    await expect(lost).rejects.toMatchObject({ code: 'POSTHORN_PUBLISH_UNROUTED' })
    await t.deliver(orderPaid, { orderId: 'o-1' }, { mustRoute: false })
  })

  it('waits for real I/O of a handler', async () => {
    let length = 0
    await using t = await createHarness((surroundings) => {
      const service = createService({ source: '/reader', ...surroundings })
      const handler = on(orderPlaced, async () => {
        await new Promise((resolve) => setTimeout(resolve, 30))
        length = (await readFile(new URL(import.meta.url))).length
      })
      service.consume('readers', { handlers: [handler], handlerTimeoutMs: 10 })
      return service
    })
    await t.deliver(orderPlaced, { orderId: 'o-1' })
    await t.idle()
    expect(length).toBeGreaterThan(0)
    expect(t.app.health().consumers[0]).toMatchObject({ handled: 1, timedOut: 0 })
  })

  it('says what is left when it does not come to rest', async () => {
    await using t = await createHarness(
      (surroundings) => {
        const service = createService({ source: '/hanging', ...surroundings })
        service.consume('billing', { handlers: [on(orderPlaced, () => new Promise<void>(() => {}))] })
        return service
      },
      { timeoutMs: 50 },
    )
    await t.deliver(orderPlaced, { orderId: 'o-1' })
    const error = await t.idle().catch((reason: unknown) => reason)
    expect(error).toMatchObject({ name: 'NotIdleError', left: [{ name: 'orders.billing', unsettled: 1 }] })
    expect((error as Error).message).toContain('group billing: 1 handlers run')
  })

  it('ends although a handler never does', async () => {
    const t = await createHarness((surroundings) => {
      const service = createService({ source: '/hanging', ...surroundings })
      service.consume('billing', { handlers: [on(orderPlaced, () => new Promise<void>(() => {}))] })
      return service
    })
    await t.deliver(orderPlaced, { orderId: 'o-1' })
    await t.advance(0)
    await t[Symbol.asyncDispose]()
    expect(t.app.health().state).toBe('stopped')
  })

  it('gives up on services that publish to each other without end', async () => {
    await using t = await createHarness(
      (surroundings) => {
        const service = createService({ source: '/again', ...surroundings })
        const again = on(orderPlaced, async ({ data }, context) => {
          await context.publish(orderPlaced, data)
        })
        service.consume('billing', { handlers: [again] })
        return service
      },
      { timeoutMs: 50 },
    )
    await t.deliver(orderPlaced, { orderId: 'o-1' })
    await expect(t.idle()).rejects.toMatchObject({ name: 'NotIdleError' })
  })

  it('refuses a service that has another clock', async () => {
    const made = createHarness(({ transport }) =>
      createService({ source: '/real-time', transport, logger: silentLogger }),
    )
    await expect(made).rejects.toMatchObject({ code: 'POSTHORN_CONFIGURATION' })
  })

  it('throws what the factory throws', async () => {
    const made = createHarness(() => {
      throw new RangeError('no service')
    })
    await expect(made).rejects.toThrow(RangeError)
  })
})

describe('createHarnessOf', () => {
  function shippingDesk(surroundings: Surroundings): { readonly service: Service; readonly shipped: string[] } {
    const service = createService({ source: '/shipping', ...surroundings })
    const shipped: string[] = []
    const ship = on(shipOrder, ({ data }, { attempt }) => {
      if (attempt === 1) return retryAfter(1_000)
      shipped.push(data.orderId)
      return undefined
    })
    const paid = on(orderPaid, async ({ data }, context) => {
      await context.publish(shipOrder, data)
    })
    service.consume('desk', { handlers: [ship, paid], retry: { delaysMs: [1_000] } })
    return { service, shipped }
  }

  it('runs several services on one broker until all of them are done', async () => {
    await using t = await createHarnessOf({ payments: paymentWorker(2), shipping: shippingDesk })
    for (const orderId of ['o-1', 'o-2']) await t.deliver(orderPlaced, { orderId })
    await t.idle()
    expect(t.apps.shipping.shipped.sort()).toEqual(['o-1', 'o-2'])
    expect(t.published(orderPaid).map(({ routed }) => routed)).toEqual([true, true])
    expect(t.published(shipOrder)).toHaveLength(2)
    expect(t.apps.payments.health().consumers[0]).toMatchObject({ handled: 2, retried: 2 })
  })

  it('stops what it started when one service cannot start', async () => {
    let first: Service | undefined
    const made = createHarnessOf({
      fine: (surroundings) => (first = paymentWorker(0)(surroundings)),
      broken: ({ transport, logger }) => createService({ source: '/real-time', transport, logger }),
    })
    await expect(made).rejects.toMatchObject({ code: 'POSTHORN_CONFIGURATION' })
    expect(first?.health().state).toBe('stopped')
  })
})
