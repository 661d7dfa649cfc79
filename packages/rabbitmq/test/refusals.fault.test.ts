import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  contextOf,
  eventually,
  message,
  openInbox,
  sendTo,
  subscriptionTo,
  uniqueDestination,
  within,
} from './broker.js'
import { ownBroker } from './support/testBroker.js'

// The first one needs this version.
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

describe('a user who may publish some routing keys only', () => {
  it('loses the others, and none of the neighbours on the channel', async () => {
    const orders = uniqueDestination()
    const { ctl } = broker.control
    await ctl('add_user', 'picky', 'geheim')
    await ctl('set_permissions', 'picky', '.*', '.*', '.*')
    await ctl('set_topic_permissions', 'picky', orders, '^open', '.*')
    const owner = await broker.connected([orders])
    const inbox = await openInbox(owner, subscriptionTo(orders))
    const transport = await broker.connected([], {
      urls: broker.urls.map((url) => url.replace('guest:guest@', 'picky:geheim@')),
      topology: 'verify',
    })
    const types = Array.from({ length: 40 }, (_, at) => (at % 10 === 5 ? 'secret.v1' : 'open.v1'))
    const ends = await Promise.all(
      types.map((type) =>
        sendTo(transport, { destination: orders }, message({ id: `${type}-${randomUUID()}`, type })).then(
          ({ routed }) => routed,
          ({ code }: { code: string }) => code,
        ),
      ),
    )
    expect(ends).toEqual(types.map((type) => (type === 'open.v1' ? true : 'POSTHORN_PUBLISH_FAILED')))
    await eventually(() => inbox.all.length >= 36)
    expect(inbox.all.some(({ body }) => Buffer.from(body ?? []).includes('secret'))).toBe(false)
  })
})
