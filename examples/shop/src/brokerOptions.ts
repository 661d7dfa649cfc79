import { InvalidArgumentError, Option } from 'commander'
import type { Command } from 'commander'
import { addressVariables } from './broker/stackAddress.js'
import { transportNames } from './broker/transports.js'
import { databaseNames } from './database/shopDatabase.js'

/** The options that say which broker and which database, the same for the demo and for each service alone. */
export function addBrokerOptions(command: Command): Command {
  return command
    .addOption(new Option('--transport <name>', 'the broker').choices(transportNames).default('memory'))
    .option('--url <list>', `RabbitMQ: amqp://user:password@host:5672 (default: ${addressVariables.rabbitmq})`)
    .option('--brokers <list>', `Kafka: host:port (default: ${addressVariables.kafka})`)
    .addOption(new Option('--database <name>', 'the database').choices(databaseNames).default('pglite'))
    .option(
      '--database-url <url>',
      `PostgreSQL: postgres://user:password@host:5432/database (default: ${addressVariables.postgres})`,
    )
    .option('--seed <number>', 'decides which payments fail', wholeNumber, 7)
}

function wholeNumber(text: string): number {
  const value = Number(text)
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('Give a whole number.')
  return value
}
