import { createService, defineEvent } from '@posthorn/core'
import { silentLogger } from '@posthorn/core/adapter'
import { expect, it } from 'vitest'
import { brokerUrl, eventually, openInbox, subscriptionTo, withChannel } from './broker.js'
import { sharedBroker } from './support/testBroker.js'

const { destination, connected, make, stopping } = sharedBroker()

it('a reader whose handler refuses more dead letters for good than it holds at once sees all the others', async () => {
  const orders = destination()
  const contract = defineEvent({ type: 'com.example.placed.v1', destination: orders, schema: { type: 'object' } })
  // Declares the queues.
  const { running } = await openInbox(await connected([orders]), subscriptionTo(orders))
  await running.stop(Infinity)
  await withChannel(async (channel) => {
    for (let index = 0; index < 150; index += 1) {
      channel.sendToQueue(`${orders}.billing.dead`, Buffer.from(`${index}`), { messageId: `${index}` })
    }
  }, brokerUrl())
  const service = stopping(
    createService({ source: '/test', transport: make(), publishes: [contract], logger: silentLogger }),
  )
  const seen = new Set<number>()
  service.readDeadLetters({ destination: orders, group: 'billing' }, ({ body }) => {
    const index = Number(Buffer.from(body!).toString())
    seen.add(index)
    if (index < 100) throw new Error('no tool for this one yet')
  })
  await service.start()
  await eventually(() => seen.size === 150)
  expect(service.health().ready).toBe(true)
})
