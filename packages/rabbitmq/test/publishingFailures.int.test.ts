import type { PublishError, Receipt } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import {
  eventually,
  message,
  openInbox,
  sendTo,
  subscriptionTo,
  takeAll,
  takeAllOn,
  uniqueDestination,
  withChannel,
} from './broker.js'
import { sharedBroker } from './support/testBroker.js'

const { destination, connected } = sharedBroker({ groups: ['billing', 'full', 'slow'] })

const tick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1))
const idsOf = (count: number, prefix: string): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`)

describe('publishes that fail on RabbitMQ', () => {
  it('have the answer of the broker that closed their channel as their cause', async () => {
    const transport = await connected([], { topology: 'none' })
    const missing = { destination: uniqueDestination() }
    const results = await Promise.allSettled([sendTo(transport, missing), sendTo(transport, missing)])
    for (const result of results) expect(result).toMatchObject({ reason: { cause: { code: 404 } } })
    expect(transport.health().counts).toMatchObject({ channelFailures: 1 })
  })

  it('never throw at their caller: each millisecond around the end of a channel gets a promise, and the good ones resolve', async () => {
    const orders = destination()
    await openInbox(await connected([orders]), subscriptionTo(orders), (delivery) => delivery.complete())
    const careless = await connected([], { topology: 'none' })
    const good: Promise<Receipt>[] = []
    for (let round = 0; round < 3; round += 1) {
      const bad = sendTo(careless, { destination: `${orders}-missing` }).catch(({ code }: PublishError) => code)
      let isOver = false
      const ended = bad.then((code) => {
        isOver = true
        // In the turn in which the failed one is told, the channel is gone and the next one is not there.
        good.push(sendTo(careless, { destination: orders }))
        return code
      })
      while (!isOver) {
        good.push(sendTo(careless, { destination: orders }))
        await tick()
      }
      expect(await ended).toBe('POSTHORN_PUBLISH_NO_DESTINATION')
    }
    expect(good.length).toBeGreaterThan(3)
    expect(new Set((await Promise.all(good)).map(({ routed }) => routed))).toEqual(new Set([true]))
  })

  it('are told apart from their neighbours: every one of thousands gets the answer that was meant for it', async () => {
    const orders = destination()
    const transport = await connected([orders])
    await withChannel(async (channel) => {
      await channel.assertQueue(`${orders}.slow`, { arguments: { 'x-queue-type': 'quorum' } })
      await channel.assertQueue(`${orders}.full`, {
        arguments: { 'x-max-length': 200, 'x-overflow': 'reject-publish' },
      })
      // Kept in memory, and so confirmed long before the others.
      await channel.assertQueue(`${orders}.fast`, { exclusive: true, durable: false })
      const groups = ['slow', 'fast', 'full', 'nobody']
      const sent = idsOf(3_000, 'm').map((id, index) => ({ id, group: groups[index % 4] as string }))
      const answers = await Promise.all(
        sent.map(({ id, group }) =>
          sendTo(transport, { group: { destination: orders, group } }, message({ id })).then(
            ({ routed }) => (routed === true ? 'routed' : 'unrouted'),
            ({ code }: PublishError) => code,
          ),
        ),
      )
      const idsWith = (group: string, answer: string): string[] =>
        sent.filter((one, index) => one.group === group && answers[index] === answer).map(({ id }) => id)
      const kept = idsWith('full', 'routed')
      const refused = idsWith('full', 'POSTHORN_PUBLISH_REFUSED')
      expect(idsWith('nobody', 'unrouted')).toHaveLength(750)
      expect(idsWith('slow', 'routed')).toHaveLength(750)
      expect(idsWith('fast', 'routed')).toHaveLength(750)
      expect(kept.length + refused.length).toBe(750)
      expect(refused.length).toBeGreaterThan(0)
      for (const group of ['slow', 'fast', 'full']) {
        expect(await takeAllOn(channel, `${orders}.${group}`)).toEqual(idsWith(group, 'routed'))
      }
      expect(transport.health().counts).toMatchObject({ refused: refused.length, returned: 750 })
    })
    expect(transport.health()).toMatchObject({ state: 'ready', reconnects: 0 })
  })

  it('say unrouted from the moment in which the binding is deleted, and routed only of what arrives', async () => {
    const orders = destination()
    const transport = await connected([orders])
    const type = 'com.example.placed.v1'
    const inbox = await openInbox(transport, subscriptionTo(orders, { types: [type] }), (delivery) =>
      delivery.complete(),
    )
    const routed = new Map<string, boolean | undefined>()
    const ids = idsOf(2_000, 'm')
    const publish = async (): Promise<void> => {
      for (let id = ids.shift(); id !== undefined; id = ids.shift()) {
        routed.set(id, (await sendTo(transport, { destination: orders }, message({ id, type }))).routed)
      }
    }
    const publishing = Promise.all(Array.from({ length: 20 }, publish))
    await eventually(() => routed.size > 500)
    await withChannel((channel) => channel.unbindQueue(`${orders}.billing`, orders, type))
    await publishing
    const ended = (wanted: boolean): string[] => [...routed].filter(([, found]) => found === wanted).map(([id]) => id)
    expect(ended(false).length).toBeGreaterThan(0)
    await eventually(() => inbox.all.length === ended(true).length)
    expect(new Set(inbox.all.map(({ id }) => id))).toEqual(new Set(ended(true)))
    expect(transport.health().counts).toMatchObject({ returned: ended(false).length, confirmed: 2_000 })
  })

  it('without an id never leave, since no answer could be told from another', async () => {
    const orders = destination()
    const transport = await connected([orders])
    await expect(sendTo(transport, { destination: orders }, message({ id: '' }))).rejects.toMatchObject({
      code: 'POSTHORN_PUBLISH_FAILED',
      outcome: 'notSent',
    })
    expect(transport.health().counts).toMatchObject({ confirmed: 0, returned: 0 })
  })

  it('because a queue is full are counted, cost nothing else, and succeed once there is room', async () => {
    const orders = destination()
    const queue = `${orders}.full`
    await withChannel((channel) =>
      channel.assertQueue(queue, { arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' } }),
    )
    const transport = await connected([orders])
    const target = { group: { destination: orders, group: 'full' } }
    const first = message()
    const second = message()
    await sendTo(transport, target, first)
    await expect(sendTo(transport, target, second)).rejects.toMatchObject({
      code: 'POSTHORN_PUBLISH_REFUSED',
      outcome: 'unknown',
      retryable: true,
    })
    expect(await sendTo(transport, { destination: orders })).toEqual({ routed: false })
    expect(transport.health()).toMatchObject({ state: 'ready', reconnects: 0, counts: { refused: 1 } })
    expect(await takeAll(queue)).toEqual([first.id])
    await sendTo(transport, target, second)
    expect(await takeAll(queue)).toEqual([second.id])
  })
})
