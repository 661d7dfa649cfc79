import { resourceNames } from '@posthorn/core/adapter'
import { createRabbitMq } from '@posthorn/rabbitmq'
import type { ConformanceSetup, Leftovers } from '@posthorn/testing'
import { connect } from 'amqplib'
import { addressFrom } from './addressFrom.js'

/** The suite on the RabbitMQ of the environment. */
export async function rabbitMqSetup(): Promise<ConformanceSetup> {
  const urls = addressFrom('POSTHORN_RABBITMQ_URL').split(',')
  const { maxHoldMs, maxBodyBytes } = createRabbitMq({ urls }).capabilities
  return {
    createTransport: () => createRabbitMq({ urls }),
    createUnreachableTransport: () => createRabbitMq({ urls: ['amqp://someone:s3cret-word@127.0.0.1:9'] }),
    secret: 's3cret-word',
    releasesAreCounted: await countsReleases(urls[0] ?? ''),
    capabilities: {
      routed: true,
      ordered: true,
      countsRedeliveries: true,
      maxHoldMs,
      maxBodyBytes,
      binaryPrefix: 'cloudEvents_',
    },
    discard: (leftovers) => discardFrom(urls[0] ?? '', leftovers),
  }
}

async function discardFrom(url: string, { destinations, subscriptions }: Leftovers): Promise<void> {
  const connection = await connect(url)
  const channel = await connection.createChannel()
  const queues = subscriptions.flatMap(({ destination, group, rungsMs }) => [
    resourceNames.group(destination, group),
    resourceNames.dead(destination, group),
    ...rungsMs.map((delayMs) => resourceNames.retry(destination, group, delayMs)),
  ])
  for (const queue of new Set(queues)) await channel.deleteQueue(queue)
  const exchanges = [...destinations, ...subscriptions.map(({ destination }) => destination)]
  for (const exchange of new Set(exchanges)) await channel.deleteExchange(exchange)
  await connection.close()
}

/** Since 4.3 the broker tells what was given back from what was lost with its consumer. */
async function countsReleases(url: string): Promise<boolean> {
  const connection = await connect(url)
  const version = String(connection.connection.serverProperties.version)
  await connection.close()
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major < 4 || (major === 4 && minor < 3)
}
