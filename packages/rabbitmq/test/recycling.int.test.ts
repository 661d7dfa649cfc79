import type { ChannelModel, ConfirmChannel } from 'amqplib'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '@posthorn/core/adapter'
import { BrokerConnection } from '../src/connection.js'
import type { LiveConnection } from '../src/connection.js'
import { createCounts } from '../src/counts.js'
import { createDeclaredExchanges } from '../src/declaredExchanges.js'
import { settingsOf } from '../src/options.js'
import { PublishQueue } from '../src/publishQueue.js'
import { createRabbitMqSender } from '../src/rabbitMqSender.js'
import { after, brokerUrl, contextOf, message, uniqueDestination, withChannel, within } from './broker.js'

const recycleAfterCount = 1_000
const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

/** A real connection that notes which confirm channels are made on it. */
function watched(live: LiveConnection, channels: ConfirmChannel[]): LiveConnection {
  const model = Object.create(live.model) as ChannelModel
  model.createConfirmChannel = async () => {
    const channel = await live.model.createConfirmChannel()
    channels.push(channel)
    return channel
  }
  return {
    epoch: live.epoch,
    model,
    get lost() {
      return live.lost
    },
    destroy: () => live.destroy(),
  }
}

describe('the publishing channel', () => {
  it('of the client’s own path is replaced again and again, so that its list of unconfirmed messages stays short', async () => {
    const { longest, channelCount } = await publishMany(false)
    expect(longest).toBeLessThanOrEqual(recycleAfterCount)
    expect(channelCount).toBeGreaterThanOrEqual(20)
  })

  it('of coalesced writes leaves nothing in the client’s list, and stays', async () => {
    expect(await publishMany(true)).toEqual({ longest: 0, channelCount: 1 })
  })
})

/** Publishes 20,000 messages and tells how long the list of a channel was at most, and how many channels there were. */
async function publishMany(fastPath: boolean): Promise<{ longest: number; channelCount: number }> {
  const orders = uniqueDestination()
  const settings = settingsOf({ urls: [brokerUrl()], topology: 'none', fastPath })
  const parts = { settings, context: contextOf(), counts: createCounts(), purpose: 'recycling' }
  const queue = new PublishQueue({ ...parts, exchanges: createDeclaredExchanges(settings.topology), recycleAfterCount })
  const channels: ConfirmChannel[] = []
  let longest = 0
  const listener = {
    ready: (live: LiveConnection) => queue.ready(watched(live, channels)),
    blocked: (isBlocked: boolean) => queue.blocked(isBlocked),
  }
  const connection = new BrokerConnection(parts, listener)
  closing.push(() => queue.close(after(5_000)).then(() => connection.close(after(5_000))))
  await connection.open(within(20_000))
  const sender = createRabbitMqSender({
    queue,
    map: settings.topology,
    now: () => systemClock.monotonic(),
    frameMaxBytes: () => 131_072,
  })
  await withChannel(async (channel) => {
    // Two speeds, so that answers come out of order and in groups: what leaves holes in amqplib's list.
    await channel.assertQueue(`${orders}.slow`, { exclusive: true, durable: true })
    await channel.assertQueue(`${orders}.fast`, { exclusive: true, durable: false })
    let sent = 0
    const publish = async (): Promise<void> => {
      while (sent < 20_000) {
        const group = (sent += 1) % 3 === 0 ? 'slow' : 'fast'
        await sender.send({ group: { destination: orders, group } }, message(), within(30_000))
        const current = channels.at(-1) as unknown as { unconfirmed: unknown[] }
        longest = Math.max(longest, current.unconfirmed.length)
      }
    }
    await Promise.all(Array.from({ length: 100 }, publish))
  })
  expect(parts.counts).toMatchObject({ confirmed: 20_000, channelFailures: 0, resent: 0 })
  expect(connection.health()).toMatchObject({ state: 'ready', reconnects: 0 })
  return { longest, channelCount: channels.length }
}
