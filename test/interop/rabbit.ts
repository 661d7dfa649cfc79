import { resourceNames } from '@posthorn/core/adapter'
import { connect } from 'amqplib'
import type { Channel } from 'amqplib'

/** Runs work on a channel of a plain connection, as an operator would. */
export async function withChannel<T>(url: string, use: (channel: Channel) => Promise<T>): Promise<T> {
  const connection = await connect(url)
  try {
    const channel = await connection.createChannel()
    const result = await use(channel)
    await channel.close() // The close of the connection would overtake what the channel has buffered.
    return result
  } finally {
    await connection.close()
  }
}

/** What a test used on the shared broker. */
export interface Leftovers {
  readonly destinations: readonly string[]
  readonly queues?: readonly string[]
}

/** The group of every reader of these tests, and the one rung of its ladder. */
export const group = 'readers'
export const rungMs = 200

/** Removes exchanges and queues; those that are not there are no error. */
export async function discard(url: string, { destinations, queues = [] }: Leftovers): Promise<void> {
  const ours = destinations.flatMap((destination) => [
    resourceNames.group(destination, group),
    resourceNames.dead(destination, group),
    resourceNames.retry(destination, group, rungMs),
  ])
  await withChannel(url, async (channel) => {
    for (const queue of [...ours, ...queues]) await channel.deleteQueue(queue)
    for (const destination of destinations) await channel.deleteExchange(destination)
  })
}

/** A queue of somebody else that gets every event of a destination; the exchange has to be there. */
export async function bindQueue(url: string, destination: string): Promise<string> {
  const queue = `${destination}-foreign`
  await withChannel(url, async (channel) => {
    await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
    await channel.bindQueue(queue, destination, '#')
  })
  return queue
}
