import { createRabbitMq } from '@posthorn/rabbitmq'
import type { ConformanceSetup } from '@posthorn/testing'
import { addressFrom } from './addressFrom.js'

/** The suite on the RabbitMQ of the environment. */
export function rabbitMqSetup(): ConformanceSetup {
  const urls = addressFrom('POSTHORN_RABBITMQ_URL').split(',')
  return {
    createTransport: () => createRabbitMq({ urls }),
    createUnreachableTransport: () => createRabbitMq({ urls: ['amqp://someone:s3cret-word@127.0.0.1:9'] }),
    secret: 's3cret-word',
    capabilities: {
      routed: true,
      ordered: true,
      countsRedeliveries: true,
      maxHoldMs: createRabbitMq({ urls }).capabilities.maxHoldMs,
      maxBodyBytes: createRabbitMq({ urls }).capabilities.maxBodyBytes,
      binaryPrefix: 'cloudEvents_',
    },
  }
}
