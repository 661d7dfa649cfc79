import { connect } from 'amqplib'
import type { ChannelModel, ConfirmChannel } from 'amqplib'

const quorum = { durable: true, arguments: { 'x-queue-type': 'quorum' } }

/** An exchange and a quorum queue of one name, as somebody makes them by hand. */
export async function declareBare(channel: ConfirmChannel, name: string): Promise<void> {
  await channel.assertExchange(name, 'topic', { durable: true })
  await channel.assertQueue(name, quorum)
  await channel.bindQueue(name, name, '#')
}

/** Removes them, and closes the connection. */
export async function removeBare(model: ChannelModel, channel: ConfirmChannel, name: string): Promise<void> {
  await channel.deleteQueue(name)
  await channel.deleteExchange(name)
  await model.close()
}

/** Removes what a group of ours with the default ladder has declared. */
export async function removeGroup(url: string, destination: string, group: string): Promise<void> {
  const model = await connect(url)
  const channel = await model.createChannel()
  const rungs = ['', '.dead', '.retry.1000', '.retry.5000', '.retry.30000']
  for (const rung of rungs) await channel.deleteQueue(`${destination}.${group}${rung}`)
  await channel.deleteExchange(destination)
  await model.close()
}

export async function purge(model: ChannelModel, queue: string): Promise<void> {
  const channel = await model.createChannel()
  await channel.purgeQueue(queue)
  await channel.close()
}
