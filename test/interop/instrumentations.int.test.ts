import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { acquireKafka, acquireRabbitMq, variableNames } from '../stack/src/index.js'
import type { Kafka, RabbitMq } from '../stack/src/index.js'
import { installPackages } from './installPackages.js'

/* The last releases that run on Node.js 20. */
const packages = [
  '@opentelemetry/api@~1.9.0',
  '@opentelemetry/instrumentation-amqplib@0.68.0',
  '@opentelemetry/instrumentation-kafkajs@0.30.0',
]
const script = fileURLToPath(new URL('./opentelemetry/spansOfMessages.mjs', import.meta.url))

interface Seen {
  readonly headers: readonly (string | null)[]
  readonly spans: readonly { readonly by: string; readonly name: string; readonly id: string }[]
}

let folder: string
let kafka: Kafka | undefined
let rabbitMq: RabbitMq | undefined

beforeAll(async () => {
  folder = await installPackages({ name: 'instrumentations-0.68.0-0.30.0', packages })
  ;[kafka, rabbitMq] = await Promise.all([acquireKafka({ fresh: true }), acquireRabbitMq({ fresh: true })])
})
afterAll(() => Promise.all([kafka?.release(), rabbitMq?.release()]))

/** Four messages, published and handled in a process of their own. */
function look(broker: 'rabbitmq' | 'kafka', { fastPath, ours }: { fastPath: boolean; ours: boolean }): Seen {
  const args = [script, join(folder, 'package.json'), broker, String(fastPath), String(ours)]
  const addresses = {
    [variableNames.kafka]: kafka!.brokers.join(','),
    [variableNames.rabbitmq]: rabbitMq!.urls.join(','),
  }
  const env = { ...process.env, ...addresses }
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8', timeout: 100_000, env })) as Seen
}

/** The spans that the headers name; empty for a message without one. */
function spanIdsOf(headers: Seen['headers']): string[] {
  return headers.map((header) => header?.split('-')[2] ?? '').toSorted()
}

const operations = { rabbitmq: ['send', 'receive', 'process', 'ack'], kafka: ['send', 'poll', 'process', 'commit'] }
const theirs = { rabbitmq: '@opentelemetry/instrumentation-amqplib', kafka: '@opentelemetry/instrumentation-kafkajs' }

describe.each(['rabbitmq', 'kafka'] as const)('with the instrumentation of the client active too, on %s', (broker) => {
  const ourSpans = operations[broker].flatMap((name) => [name, name, name, name]).toSorted()

  test('each message has our spans once; where a batch is fetched, on Kafka, the other one sees that too', () => {
    const { spans } = look(broker, { fastPath: true, ours: true })
    const others = spans.filter(({ by }) => by !== '@posthorn/opentelemetry').map(({ name }) => name)
    expect(others.filter((name) => broker === 'rabbitmq' || !/^(poll|process) orders$/.test(name))).toEqual([])
    const own = spans.filter(({ by }) => by === '@posthorn/opentelemetry')
    expect(own.map(({ name }) => name.split(' ')[0]!).toSorted()).toEqual(ourSpans)
  })

  test('alone it does no harm where the adapter goes past it', () => {
    expect(look(broker, { fastPath: true, ours: false }).headers).toHaveLength(4)
  })

  test('without the fast path it makes no span within our send, and the headers stay ours', () => {
    const { spans, headers } = look(broker, { fastPath: false, ours: true })
    const own = spans.filter(({ by }) => by === '@posthorn/opentelemetry')
    expect(own.map(({ name }) => name.split(' ')[0]!).toSorted()).toEqual(ourSpans)
    const others = spans.filter(({ by }) => by === theirs[broker])
    expect(others.filter(({ name }) => /publish|send/.test(name))).toEqual([])
    const sends = own.filter(({ name }) => name.startsWith('send')).map(({ id }) => id)
    expect(spanIdsOf(headers)).toEqual(sends.toSorted())
  })

  test('alone it works as it does by hand: each message carries its own span', () => {
    const { spans, headers } = look(broker, { fastPath: false, ours: false })
    const sends = spans.filter(({ name }) => /publish|send/.test(name)).map(({ id }) => id)
    expect(sends).toHaveLength(4)
    expect(spanIdsOf(headers)).toEqual(sends.toSorted())
  })
})
