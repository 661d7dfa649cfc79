#!/usr/bin/env node
import { randomUUID } from 'node:crypto'
import { Command } from 'commander'
import { codeOf } from '@posthorn/core'
import { addressVariables } from './broker/stackAddress.js'
import { findTransports } from './broker/transports.js'
import { createShopLogger } from './logger.js'
import { ShopError } from './shopError.js'
import { placeOneOrder } from './trace/oneOrder.js'
import { openTrace } from './trace/openTrace.js'

interface TraceOrderOptions {
  readonly url?: string
  readonly brokers?: string
  readonly prefix: string
}

const command = new Command('npm run trace:order --')
  .description('Places one order on RabbitMQ that is paid, at the second attempt, on Kafka; writes its spans.')
  .argument('<file>', 'for `npm run check:trace`')
  .option('--url <list>', `RabbitMQ: amqp://user:password@host:5672 (default: ${addressVariables.rabbitmq})`)
  .option('--brokers <list>', `Kafka: host:port (default: ${addressVariables.kafka})`)
  .option(
    '--prefix <text>',
    'before the names of destinations, to be alone on the brokers',
    `trace-${randomUUID().slice(0, 8)}.`,
  )
  .addHelpText('after', '\nBoth brokers: npm run stack -- up rabbitmq kafka')
  .action(async (file: string, { url, brokers, prefix }: TraceOrderOptions) => {
    const [orders, payments] = await Promise.all([
      findTransports({ transport: 'rabbitmq', url }),
      findTransports({ transport: 'kafka', brokers }),
    ])
    const trace = await openTrace({ file, otlp: false })
    try {
      await placeOneOrder({ orders, payments, logger: createShopLogger('shop', 'fatal'), trace, prefix })
    } finally {
      await trace.close()
    }
  })

try {
  await command.parseAsync()
} catch (error) {
  const isOurs = error instanceof ShopError || codeOf(error) !== undefined
  process.stderr.write(`error: ${isOurs ? (error as Error).message : String((error as Error).stack)}\n`)
  process.exitCode = 2
}
