import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { createService, defineEvent, on, silentLogger } from '@posthorn/core'
import type { ConsumerOptions, DeadLetter, Transport } from '@posthorn/core'
import { createKafka } from '@posthorn/kafka'
import { createRabbitMq } from '@posthorn/rabbitmq'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { acquireKafka, acquireRabbitMq } from '../stack/src/index.js'
import type { Kafka, RabbitMq } from '../stack/src/index.js'

let rabbit: RabbitMq
let kafka: Kafka

beforeAll(async () => {
  rabbit = await acquireRabbitMq()
  // The console producer comes with the jars of a broker of our own.
  kafka = await acquireKafka({ fresh: true })
})

afterAll(async () => {
  await Promise.allSettled([rabbit?.release(), kafka?.release()])
})

interface Received {
  readonly handled: unknown[]
  readonly deadLetters: DeadLetter[]
  /** Resolves when so many were handled, dead-lettered or skipped. */
  ended(count: number): Promise<void>
  readonly skipped: () => number
  stop(): Promise<void>
}

/** A service that consumes a destination and collects what comes. */
async function receive(
  transport: Transport,
  destination: string,
  options: Partial<ConsumerOptions>,
): Promise<Received> {
  const contract = defineEvent({
    type: 'com.example.foreign.v1',
    destination,
    schema: { type: 'object', properties: { text: { type: 'string' } } },
  })
  const handled: unknown[] = []
  const deadLetters: DeadLetter[] = []
  const service = createService({ source: '/interop', transport, logger: silentLogger })
  const consumer = service.consume('readers', {
    handlers: [on(contract, ({ data }) => void handled.push(data))],
    ...options,
  })
  service.readDeadLetters({ destination, group: 'readers' }, (letter) => void deadLetters.push(letter))
  await service.start({ deadlineMs: 60_000 })
  const skipped = (): number => consumer.health().skipped
  return {
    handled,
    deadLetters,
    skipped,
    ended: (count) =>
      expect
        .poll(() => handled.length + deadLetters.length + skipped(), { timeout: 30_000 })
        .toBeGreaterThanOrEqual(count),
    stop: () => service.stop(),
  }
}

const adopt: ConsumerOptions['foreign'] = (raw) => ({
  specversion: '1.0',
  id: randomUUID(),
  source: '/python',
  type: 'com.example.foreign.v1',
  data: { text: Buffer.from(raw.body ?? []).toString('utf8') },
})

test('a message of a plain Python script arrives on RabbitMQ and is dead-lettered with its bytes', async () => {
  const destination = `foreign-${randomUUID()}`
  const received = await receive(createRabbitMq({ urls: rabbit.urls }), destination, {})
  pikaPublish(rabbit.urls[0]!, {
    exchange: '',
    routingKey: `${destination}.readers`,
    body: 'hello from python \u{1f40d}',
  })
  pikaPublish(rabbit.urls[0]!, {
    exchange: destination,
    routingKey: 'com.example.foreign.v1',
    body: '{"not":"an envelope"}',
  })
  await received.ended(2)
  const bodies = received.deadLetters.map((letter) => Buffer.from(letter.body ?? []).toString('utf8'))
  expect(new Set(bodies)).toEqual(new Set(['hello from python \u{1f40d}', '{"not":"an envelope"}']))
  expect(received.deadLetters.map((letter) => letter.reason)).toEqual(['foreign', 'foreign'])
  await received.stop()
})

test('on RabbitMQ a foreign message is skipped and counted, or adopted, when the group says so', async () => {
  const skipping = `foreign-${randomUUID()}`
  const adopting = `foreign-${randomUUID()}`
  const skipper = await receive(createRabbitMq({ urls: rabbit.urls }), skipping, { foreign: 'skip' })
  const adopter = await receive(createRabbitMq({ urls: rabbit.urls }), adopting, { foreign: adopt })
  for (const destination of [skipping, adopting]) {
    pikaPublish(rabbit.urls[0]!, { exchange: '', routingKey: `${destination}.readers`, body: 'plain text' })
  }
  await Promise.all([skipper.ended(1), adopter.ended(1)])
  expect(skipper.skipped()).toBe(1)
  expect(adopter.handled).toEqual([{ text: 'plain text' }])
  await Promise.all([skipper.stop(), adopter.stop()])
})

test('a line of Kafka’s console producer is dead-lettered, skipped or adopted as the group says', async () => {
  const destination = `foreign-${randomUUID()}`
  const open = (): Transport => createKafka({ brokers: kafka.brokers })
  const dead = await receive(open(), destination, {})
  const adopter = await receive(open(), `${destination}-adopted`, { foreign: adopt })
  const skipper = await receive(open(), `${destination}-skipped`, { foreign: 'skip' })
  for (const topic of [destination, `${destination}-adopted`, `${destination}-skipped`]) {
    const produced = await kafka.control!.tool(
      'org.apache.kafka.tools.ConsoleProducer',
      ['--bootstrap-server', kafka.brokers[0]!, '--topic', topic],
      { input: 'a line from the console\n' },
    )
    expect(produced.code).toBe(0)
  }
  await Promise.all([dead.ended(1), adopter.ended(1), skipper.ended(1)])
  expect(dead.deadLetters.map((letter) => letter.reason)).toEqual(['foreign'])
  expect(Buffer.from(dead.deadLetters[0]!.body ?? []).toString()).toBe('a line from the console')
  expect(adopter.handled).toEqual([{ text: 'a line from the console' }])
  expect(skipper.skipped()).toBe(1)
  await Promise.all([dead.stop(), adopter.stop(), skipper.stop()])
})

const script = `
import pika, sys
url, exchange, key, body = sys.argv[1:5]
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
channel.confirm_delivery()
channel.basic_publish(exchange=exchange, routing_key=key, body=body.encode('utf-8'), mandatory=True)
connection.close()
`

function pikaPublish(url: string, message: { exchange: string; routingKey: string; body: string }): void {
  execFileSync(pythonWithPika(), ['-c', script, url, message.exchange, message.routingKey, message.body])
}

/** A virtual environment with pika, made once in our cache. */
function pythonWithPika(): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  const folder = join(cache, 'posthorn-stack', 'pika')
  const python = join(folder, 'bin', 'python')
  const marker = join(folder, 'bin', 'pip')
  if (!existsSync(marker)) {
    mkdirSync(folder, { recursive: true })
    execFileSync('python3', ['-m', 'venv', folder])
  }
  try {
    execFileSync(python, ['-c', 'import pika'], { stdio: 'ignore' })
  } catch {
    execFileSync(python, ['-m', 'pip', 'install', '--quiet', 'pika'], { stdio: 'inherit' })
  }
  return python
}
