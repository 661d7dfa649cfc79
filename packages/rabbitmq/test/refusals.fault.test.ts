import { describe, expect, it } from 'vitest'
import { contextOf, eventually, openInbox, sendTo, subscriptionTo, uniqueDestination, within } from './broker.js'
import { ownBroker } from './support/testBroker.js'

// Of the one version that needs it.
const broker = ownBroker({ version: '3.10' })

describe('a queue of RabbitMQ 3.10 that was full', () => {
  it.each([true, false])(
    'takes messages again when its limit is taken away (fastPath: %s)',
    { timeout: 120_000 },
    async (fastPath) => {
      const orders = uniqueDestination()
      const transport = broker.make({ fastPath })
      await transport.connect(contextOf(), [orders], within(20_000))
      const { running } = await openInbox(transport, subscriptionTo(orders))
      await running.stop(within(5_000).deadline)
      const work = { group: { destination: orders, group: 'billing' } }
      const send = (): Promise<unknown> => sendTo(transport, work).catch(({ code }: { code: string }) => code)
      await broker.control.ctl('set_policy', '--apply-to', 'queues', 'full', `^${orders}`, '{"max-length":1}')
      await eventually(async () => (await send()) === 'POSTHORN_PUBLISH_REFUSED')
      await broker.control.ctl('clear_policy', 'full')
      await eventually(async () => (await send()) !== 'POSTHORN_PUBLISH_REFUSED', 60_000)
      expect(await send()).toEqual({ routed: true })
      expect(transport.health()).toMatchObject({ state: 'ready', reconnects: 0 })
    },
  )
})
