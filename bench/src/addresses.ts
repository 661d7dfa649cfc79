/** Which environment variable names a server, as `npm run stack -- env` prints them. */
const variables = {
  rabbitmq: 'POSTHORN_RABBITMQ_URL',
  kafka: 'POSTHORN_KAFKA_BROKERS',
  postgres: 'POSTHORN_POSTGRES_URL',
} as const

type BrokerVariable = (typeof variables)[keyof typeof variables]

/** Where the build puts the stack, seen from this file in `bench/dist`. */
const stack = '../../test/dist/stack/src/index.js'

/** What is used of it; the bench does not depend on the tests. */
interface Stack {
  readonly acquireKafka: (options: { fresh: true }) => Promise<{ brokers: string[]; release(): Promise<void> }>
  readonly acquirePostgres: (options: { fresh: true }) => Promise<{ url: string; release(): Promise<void> }>
  readonly acquireRabbitMq: (options: { fresh: true }) => Promise<{ urls: string[]; release(): Promise<void> }>
}

/** Addresses from the environment; `startBrokers` puts them there. */
export function addressesFrom(variable: BrokerVariable): string[] {
  const value = process.env[variable]
  if (value !== undefined && value !== '') return value.split(',')
  throw new Error(`${variable} is not set. Set it to the address of a broker, or let the bench start one`)
}

/** What a bench needs. */
const needs: Readonly<Record<string, readonly (keyof typeof variables)[]>> = {
  rabbitmq: ['rabbitmq'],
  kafka: ['kafka'],
  outbox: ['postgres', 'rabbitmq'],
}

/**
 * Makes sure that the environment names the servers of a bench, for this process and for the contenders' own: what it does not
 * name is started for this run alone. Resolves with what stops it.
 */
export async function startBrokers(bench: string): Promise<() => Promise<void>> {
  const started: (() => Promise<void>)[] = []
  const stop = async (): Promise<void> => void (await Promise.all(started.map((release) => release())))
  try {
    for (const server of needs[bench] ?? []) {
      if (process.env[variables[server]]) continue
      process.stderr.write(`${variables[server]} is not set: starting ${server} for this run\n`)
      const { addresses, release } = await start(server)
      process.env[variables[server]] = addresses.join(',')
      started.push(release)
    }
  } catch (error) {
    await stop()
    throw error
  }
  return stop
}

async function start(server: keyof typeof variables): Promise<{ addresses: string[]; release: () => Promise<void> }> {
  const { acquireKafka, acquirePostgres, acquireRabbitMq } = (await import(
    new URL(stack, import.meta.url).href
  )) as Stack
  if (server === 'kafka') {
    const kafka = await acquireKafka({ fresh: true })
    return { addresses: kafka.brokers, release: () => kafka.release() }
  }
  if (server === 'postgres') {
    const postgres = await acquirePostgres({ fresh: true })
    return { addresses: [postgres.url], release: () => postgres.release() }
  }
  const rabbitMq = await acquireRabbitMq({ fresh: true })
  return { addresses: rabbitMq.urls, release: () => rabbitMq.release() }
}
