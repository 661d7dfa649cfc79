import { readFile } from 'node:fs/promises'
import type { PublishError, Transport } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import {
  after,
  eventually,
  message,
  openInbox,
  sendTo,
  subscriptionTo,
  takeAll,
  uniqueDestination,
  withChannel,
} from './broker.js'
import { ownBroker } from './support/testBroker.js'

const broker = ownBroker()
const { connected } = broker

/** What `rabbitmqctl list_…` prints, a list of cells for each line. */
async function listed(command: string, ...columns: string[]): Promise<string[][]> {
  const text = await broker.control.ctl(command, '--quiet', '--no-table-headers', ...columns)
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => line.split('\t'))
}

/** Publishes a hundred messages, one after the other. */
async function publishMany(
  transport: Transport,
  destination: string,
): Promise<Record<'confirmed' | 'refused', string[]>> {
  const confirmed: string[] = []
  const refused: string[] = []
  for (let count = 0; count < 100; count += 1) {
    const one = message({ id: `m-${count}` })
    await sendTo(transport, { destination }, one).then(
      () => confirmed.push(one.id),
      ({ code }: PublishError) => {
        expect(code).toBe('POSTHORN_PUBLISH_REFUSED')
        refused.push(one.id)
      },
    )
  }
  return { confirmed, refused }
}

/** As an operator may: how soon the broker’s own dead-lettering tries again, of three minutes before. */
const quickWorker = 'application:set_env(rabbit, dead_letter_worker_publisher_confirm_timeout, 2000).'

describe('what an operator of RabbitMQ sees of us', () => {
  it('is durable, of kinds that every version has, and without anything that newer ones refuse', async () => {
    const orders = uniqueDestination()
    const transport = await connected([orders])
    for (const ordered of [false, true]) {
      const group = ordered ? 'ordered' : 'billing'
      await openInbox(transport, subscriptionTo(orders, { group, ordered, rungsMs: [200, 5_000], maxInFlight: 7 }))
    }
    await openInbox(transport, subscriptionTo(orders, { source: 'dead', maxInFlight: 7 }))
    const queues = await listed('list_queues', 'name', 'durable', 'auto_delete', 'type')
    expect(queues).toHaveLength(8)
    for (const [name, ...facts] of queues) {
      expect(facts, name).toEqual(['true', 'false', 'quorum'])
    }
    const exchanges = await listed('list_exchanges', 'name', 'type', 'durable')
    const ours = exchanges.filter(([name = '']) => name !== '' && !name.startsWith('amq.'))
    expect(ours).toEqual([[orders, 'topic', 'true']])
    // Nobody's messages are gone before they are acknowledged, and nobody holds more than was asked for.
    const consumers = await listed('list_consumers', 'ack_required', 'prefetch_count')
    expect(consumers).toHaveLength(3)
    for (const [ackRequired, prefetch] of consumers) {
      expect(ackRequired).toBe('true')
      expect(prefetch).toMatch(/^[1-7]$/) // Until the first message, a new consumer may hold but one.
    }
    const channels = await listed('list_channels', 'transactional', 'confirm', 'consumer_count')
    for (const [transactional, confirm, consumerCount] of channels) {
      expect(transactional).toBe('false')
      expect(confirm).toBe(consumerCount === '0' ? 'true' : 'false')
    }
  })

  it('keeps what was confirmed when a policy limits our queues: what does not fit is refused, never dropped', async () => {
    const orders = uniqueDestination()
    await broker.control.ctl('set_policy', 'limit', `^${orders}`, '{"max-length":10}', '--apply-to', 'queues')
    const transport = await connected([orders])
    const inbox = await openInbox(transport, subscriptionTo(orders))
    await inbox.running.stop(after(5_000))
    const { confirmed, refused } = await publishMany(transport, orders)
    expect(confirmed.length).toBeGreaterThanOrEqual(10)
    expect(refused.length).toBeGreaterThan(0)
    expect(await takeAll(`${orders}.billing`, broker.urls[0])).toEqual(confirmed)
    expect(transport.health().counts).toMatchObject({ refused: refused.length })
  })

  it('with a policy that says drop-head, which wins over ours, still finds what it dropped among the dead letters', async () => {
    const orders = uniqueDestination()
    const policy = '{"max-length":10,"overflow":"drop-head"}'
    await broker.control.ctl('set_policy', 'drop', `^${orders}\\.billing$`, policy, '--apply-to', 'queues')
    const transport = await connected([orders])
    const inbox = await openInbox(transport, subscriptionTo(orders))
    await inbox.running.stop(after(5_000))
    const { confirmed, refused } = await publishMany(transport, orders)
    expect(refused).toEqual([])
    const kept = await takeAll(`${orders}.billing`, broker.urls[0])
    expect(kept).toHaveLength(10)
    const dropped: string[] = []
    await eventually(async () => {
      dropped.push(...(await takeAll(`${orders}.billing.dead`, broker.urls[0])))
      return dropped.length === confirmed.length - kept.length
    })
    expect(new Set([...kept, ...dropped])).toEqual(new Set(confirmed))
  })

  it('shows what waits for the target of a rung as the docs say, and hands it over when the target is back', async () => {
    const page = await readFile(new URL('../../../docs/how-to/retries-and-dead-letters.md', import.meta.url), 'utf8')
    const expression = /rabbitmqctl eval '(.*)'/.exec(page)?.[1] ?? ''
    await broker.control.ctl('eval', quickWorker)
    const orders = uniqueDestination()
    const subscription = subscriptionTo(orders, { rungsMs: [300] })
    const transport = await connected([orders])
    await (await openInbox(transport, subscription)).running.stop(after(5_000))
    await withChannel((channel) => channel.deleteQueue(`${orders}.billing`), broker.urls[0])
    const sent = Array.from({ length: 5 }, () => message())
    for (const one of sent) {
      await sendTo(transport, { retry: { destination: orders, group: 'billing', delayMs: 300 } }, one)
    }
    const waiting = async (): Promise<string | undefined> => {
      const text = await broker.control.ctl('eval', expression)
      return new RegExp(`${orders}\\.billing\\.retry\\.300">>}},\\s*{messages_dlx,(\\d+)}`).exec(text)?.[1]
    }
    await eventually(async () => (await waiting()) === '5')
    const lengths = await listed('list_queues', 'name', 'messages')
    expect(lengths).toContainEqual([`${orders}.billing.retry.300`, '0'])
    const inbox = await openInbox(transport, subscription)
    const arrived = new Set<string | undefined>()
    await eventually(async () => {
      const delivery = await inbox.next(60_000)
      arrived.add(delivery.id)
      delivery.complete()
      return arrived.size === 5
    }, 60_000)
    expect(arrived).toEqual(new Set(sent.map(({ id }) => id)))
    await eventually(async () => (await waiting()) === '0')
  })

  it('loses none of a hundred messages that others reject while the dead-letter queue is missing', async () => {
    await broker.control.ctl('eval', quickWorker)
    const orders = uniqueDestination()
    const transport = await connected([orders])
    await (await openInbox(transport, subscriptionTo(orders))).running.stop(after(5_000))
    const sent = Array.from({ length: 100 }, (_, index) => message({ id: `m-${index}` }))
    await Promise.all(sent.map((one) => sendTo(transport, { destination: orders }, one)))
    await withChannel(async (channel) => {
      await channel.deleteQueue(`${orders}.billing.dead`)
      for (let found = await channel.get(`${orders}.billing`); found !== false;) {
        channel.reject(found, false)
        found = await channel.get(`${orders}.billing`)
      }
    }, broker.urls[0])
    const reader = await openInbox(transport, subscriptionTo(orders, { source: 'dead' }), (delivery) =>
      delivery.complete(),
    )
    await eventually(() => new Set(reader.all.map(({ id }) => id)).size === 100, 60_000)
    for (const { headers } of reader.all) expect(headers['x-first-death-reason']).toBe('rejected')
  })
})
