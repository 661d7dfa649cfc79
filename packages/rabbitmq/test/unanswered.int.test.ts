import { expect, it } from 'vitest'
import {
  brokerUrl,
  deleteQueue,
  eventually,
  message,
  openInbox,
  sendTo,
  subscriptionTo,
  withChannel,
} from './broker.js'
import { amqpProxy } from './support/amqpProxy.js'
import { sharedBroker } from './support/testBroker.js'

const { destination, connected, closing } = sharedBroker()

it.each(['queue.declareOk', 'basic.consumeOk'] as const)(
  'a subscription goes on although %s never came',
  async (unanswered) => {
    const orders = destination()
    const publisher = await connected([orders])
    const proxy = closing(await amqpProxy(brokerUrl()))
    const inbox = await openInbox(await connected([], { urls: [proxy.url] }), subscriptionTo(orders))
    let lost = 0
    proxy.drop(({ method }) => {
      if (method !== unanswered || lost > 0) return false
      lost += 1
      return true
    })
    // The broker cancels the consumer, which declares and consumes anew.
    await deleteQueue(`${orders}.billing`)
    await eventually(() => lost === 1)
    const delivered = inbox.next(40_000)
    // Until the queue is there again nobody receives it.
    await eventually(async () => (await sendTo(publisher, { destination: orders }, message({ id: 'm-1' }))).routed)
    const delivery = await delivered
    expect(delivery.id).toBe('m-1')
    delivery.complete()
    await eventually(
      async () => (await withChannel((channel) => channel.checkQueue(`${orders}.billing`))).consumerCount === 1,
    )
  },
  60_000,
)

it.each(['basic.ack', 'channel.openOk', 'confirm.selectOk', 'exchange.declareOk'] as const)(
  'publishing goes on although %s never came',
  async (unanswered) => {
    const orders = destination()
    const proxy = closing(await amqpProxy(brokerUrl()))
    const publisher = await connected([], { urls: [proxy.url] })
    let lost = 0
    let isSilent = true
    proxy.drop(({ method }) => {
      if (!isSilent || method !== unanswered) return false
      lost += 1
      return true
    })
    // The channel is there already: what opens one has to come again.
    if (unanswered === 'channel.openOk' || unanswered === 'confirm.selectOk') proxy.cut()
    const first = sendTo(publisher, { destination: orders }, message({ id: 'm-1' })).catch((error: unknown) => error)
    await eventually(() => lost > 0)
    isSilent = false
    await eventually(() => (publisher.health().counts?.['silences'] ?? 0) > 0, 40_000)
    // Written and never answered is unknown; what was never written goes out on the new connection.
    const outcome = await first
    if (unanswered === 'basic.ack') expect(outcome).toMatchObject({ outcome: 'unknown' })
    else expect(outcome).toEqual({ routed: false })
    expect(await sendTo(publisher, { destination: orders }, message({ id: 'm-2' }))).toEqual({ routed: false })
  },
  90_000,
)
