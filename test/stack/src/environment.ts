import type { Instance } from './instances.js'
import { kafkaBrokers } from './kafkaServer.js'
import { pgBouncerUrls } from './pgBouncerServer.js'
import { postgresUrl } from './postgresServer.js'
import { prometheusUrl } from './prometheusServer.js'
import { rabbitMqUrls } from './rabbitMqServer.js'
import type { KindName } from './targets.js'

/** The variables that name servers, which the tests, the sample and the benchmarks read. Clusters: comma separated. */
export const variableNames: Readonly<Record<KindName, string>> = {
  rabbitmq: 'POSTHORN_RABBITMQ_URL',
  kafka: 'POSTHORN_KAFKA_BROKERS',
  postgres: 'POSTHORN_POSTGRES_URL',
}

export const addressesOf = (instance: Instance): string[] => {
  switch (instance.target.kind) {
    case 'rabbitmq':
      return rabbitMqUrls(instance)
    case 'kafka':
      return kafkaBrokers(instance)
    case 'postgres':
      return [postgresUrl(instance)]
    case 'pgbouncer':
      return pgBouncerUrls(instance)
    case 'prometheus':
      return [prometheusUrl(instance)]
  }
}

/** The variables for these instances; of several of one kind, the last one gives the address. */
export const environmentOf = (instances: readonly Instance[]): Record<string, string> =>
  Object.fromEntries(
    instances.flatMap((instance) => {
      const { kind } = instance.target
      return kind === 'pgbouncer' || kind === 'prometheus'
        ? []
        : [[variableNames[kind], addressesOf(instance).join(',')]]
    }),
  )

/** Lines for a POSIX shell: `eval "$(npm run -s stack -- env)"`. */
export const exportLines = (variables: Readonly<Record<string, string>>): string =>
  Object.entries(variables)
    .map(
      ([name, value]) =>
        `export ${name}=${/^[\w:/@.,-]*$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`}\n`,
    )
    .join('')
