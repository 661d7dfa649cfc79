import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import amqp from 'amqplib'
import { Kafka, logLevel } from 'kafkajs'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { acquireKafka, acquirePgBouncer, acquirePostgres, acquireRabbitMq } from '../src/index.js'
import { instanceAt, leftoversOf, orphanedMemory } from './leftovers.js'

const releases: (() => Promise<void>)[] = []
const releasing = <T extends { readonly release: () => Promise<void> }>(server: T): T => {
  releases.push(server.release)
  return server
}
beforeEach(() => vi.stubEnv('KAFKAJS_NO_PARTITIONER_WARNING', '1'))
afterEach(async () => {
  await Promise.all(releases.splice(0).map((release) => release()))
  vi.unstubAllEnvs()
})

const put = async (url: string, queue: string, text: string): Promise<void> => {
  const connection = await amqp.connect(url)
  connection.on('error', () => {})
  const channel = await connection.createConfirmChannel()
  await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
  channel.sendToQueue(queue, Buffer.from(text), { persistent: true })
  await channel.waitForConfirms()
  await connection.close()
}

/** Takes one message; a queue that is just electing its leader has none for a moment, or refuses. */
const take = (url: string, queue: string): Promise<string> =>
  vi.waitFor(
    async () => {
      const connection = await amqp.connect(url)
      connection.on('error', () => {})
      try {
        const channel = await connection.createChannel()
        channel.on('error', () => {})
        const message = await channel.get(queue)
        if (message === false) throw new Error(`${queue} is empty`)
        channel.ack(message)
        await channel.close()
        return message.content.toString()
      } finally {
        await connection.close().catch(() => {})
      }
    },
    { timeout: 30_000, interval: 250 },
  )

const kafkaOf = (brokers: string[]): Kafka => new Kafka({ brokers, logLevel: logLevel.NOTHING, retry: { retries: 8 } })

const createTopic = async (brokers: string[], topic: string): Promise<void> => {
  const admin = kafkaOf(brokers).admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true })
  await admin.disconnect()
}

const produce = async (brokers: string[], topic: string, value: string): Promise<void> => {
  const producer = kafkaOf(brokers).producer()
  await producer.connect()
  await producer.send({ topic, acks: -1, messages: [{ value }] })
  await producer.disconnect()
}

const consumeOne = async (brokers: string[], topic: string): Promise<string> => {
  const consumer = kafkaOf(brokers).consumer({ groupId: `${topic}-group` })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const value = await new Promise<string>((resolve, reject) => {
    consumer.run({ eachMessage: async ({ message }) => resolve(String(message.value)) }).catch(reject)
  })
  await consumer.disconnect()
  return value
}

describe("a RabbitMQ of one's own", () => {
  it('keeps what it confirmed over kill -9, answers rabbitmqctl, can be paused, and leaves nothing', async () => {
    const { urls, version, managed, control, release } = releasing(await acquireRabbitMq({ fresh: true }))
    const url = urls[0] as string
    const instance = instanceAt(url)
    expect({ version, managed }).toEqual({ version: expect.stringMatching(/^4\.3\./), managed: true })
    await put(url, 'kept', 'hello')
    await control?.syncDeclarations()

    await control?.kill()
    await expect(amqp.connect(url)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await control?.start()
    expect(await take(url, 'kept')).toBe('hello')
    expect(await control?.ctl('list_queues', '--quiet', 'name')).toContain('kept')

    await control?.pause()
    const whilePaused = amqp.connect(url, { timeout: 500 })
    await expect(whilePaused).rejects.toThrow()
    await control?.resume()
    await put(url, 'kept', 'again')

    await release()
    expect(await leftoversOf(instance)).toEqual([])
    await expect(control?.start()).rejects.toThrow('has been released')
  })

  it('runs as a cluster of three, which goes on with two', async () => {
    const { urls, control, release } = releasing(await acquireRabbitMq({ nodes: 3, fresh: true }))
    const instance = instanceAt(urls[0] as string)
    expect(urls).toHaveLength(3)
    await put(urls[0] as string, 'replicated', 'hello')
    await control?.syncDeclarations()
    await control?.kill(1)
    expect(await take(urls[2] as string, 'replicated')).toBe('hello')
    await control?.start(1)
    await put(urls[0] as string, 'replicated', 'again')
    expect(await take(urls[1] as string, 'replicated')).toBe('again')
    await release()
    expect(await leftoversOf(instance)).toEqual([])
  })
})

describe("a Kafka of one's own", () => {
  it('keeps what it acknowledged over kill -9, runs its Java tools, and leaves nothing', async () => {
    const { brokers, version, control, release } = releasing(await acquireKafka({ fresh: true }))
    const instance = instanceAt(brokers[0] as string)
    expect(version).toMatch(/^4\.3\./)
    await createTopic(brokers, 'kept')
    await produce(brokers, 'kept', 'hello')

    await control?.kill()
    await expect(produce(brokers, 'kept', 'lost')).rejects.toThrow()
    await control?.start()
    expect(await consumeOne(brokers, 'kept')).toBe('hello')

    const bootstrap = ['--bootstrap-server', brokers.join(',')]
    await createTopic(brokers, 'typed')
    const typed = await control?.tool('org.apache.kafka.tools.ConsoleProducer', [...bootstrap, '--topic', 'typed'], {
      input: 'from a console\n',
    })
    expect(typed).toMatchObject({ code: 0 })
    expect(await consumeOne(brokers, 'typed')).toBe('from a console')

    await release()
    expect(await leftoversOf(instance)).toEqual([])
  })

  it('runs as a cluster of three, which goes on with two', async () => {
    const { brokers, control, release } = releasing(await acquireKafka({ nodes: 3, fresh: true }))
    const instance = instanceAt(brokers[0] as string)
    expect(brokers).toHaveLength(3)
    await createTopic(brokers, 'replicated')
    await control?.kill(2)
    // A client gives up on a partition whose leader was killed before the others have elected a new one.
    await vi.waitFor(() => produce(brokers, 'replicated', 'hello'), { timeout: 30_000, interval: 500 })
    expect(await consumeOne(brokers, 'replicated')).toBe('hello')
    await control?.start(2)
    await release()
    expect(await leftoversOf(instance)).toEqual([])
  })
})

describe("a PostgreSQL of one's own", () => {
  it('keeps what it committed over kill -9, and leaves nothing, not even shared memory', async () => {
    const before = orphanedMemory()
    const { url, control, release } = releasing(await acquirePostgres({ fresh: true }))
    const instance = instanceAt(url)
    const query = async (sql: string): Promise<unknown[]> => {
      const client = new pg.Client({ connectionString: url })
      client.on('error', () => {})
      await client.connect()
      try {
        return (await client.query(sql)).rows as unknown[]
      } finally {
        await client.end()
      }
    }
    await query('create table kept (n int)')
    await query('insert into kept values (42)')
    await control?.kill()
    await expect(query('select 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await control?.start()
    expect(await query('select n from kept')).toEqual([{ n: 42 }])
    await control?.kill()
    await release()
    expect(await leftoversOf(instance)).toEqual([])
    expect(orphanedMemory()).toBe(before)
  })

  it('can be of an older release, from the packages of Debian', async () => {
    const { url, version, release } = releasing(await acquirePostgres({ version: '15', fresh: true }))
    const instance = instanceAt(url)
    expect(version).toMatch(/^15\./)
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    const { rows } = await client.query('show server_version_num')
    await client.end()
    expect(rows).toEqual([{ server_version_num: expect.stringMatching(/^15\d{4}$/) }])
    await release()
    expect(await leftoversOf(instance)).toEqual([])
  })

  it('has a PgBouncer before it that shares its connections, and leaves nothing', async () => {
    const postgres = releasing(await acquirePostgres({ fresh: true }))
    const bouncer = releasing(await acquirePgBouncer({ upstream: postgres.url }))
    const instance = instanceAt(bouncer.url)
    const ask = async (url: string): Promise<unknown[]> => {
      const clients = [url, url].map((connectionString) => new pg.Client({ connectionString }))
      await Promise.all(clients.map((client) => client.connect()))
      const pids: unknown[] = []
      for (const client of clients) pids.push((await client.query('select pg_backend_pid() as pid')).rows[0]?.pid)
      await Promise.all(clients.map((client) => client.end()))
      return pids
    }
    expect(new Set(await ask(bouncer.url)).size).toBe(1)
    expect(new Set(await ask(bouncer.sessionUrl)).size).toBe(2)
    await bouncer.release()
    expect(await leftoversOf(instance)).toEqual([])
  })
})

describe('servers whose owner is killed with -9', () => {
  let owner: ChildProcess | undefined
  let configuration = ''
  beforeEach(() => {
    configuration = mkdtempSync(join(tmpdir(), 'posthorn-prometheus-'))
    writeFileSync(join(configuration, 'prometheus.yml'), '')
  })
  afterEach(() => {
    owner?.kill('SIGKILL')
    rmSync(configuration, { recursive: true })
  })

  it('are gone within seconds: processes, mounts, ports, folders', async () => {
    const built = new URL('../../dist/stack/src/index.js', import.meta.url)
    // A process that runs without vitest needs JavaScript.
    if (!existsSync(fileURLToPath(built))) throw new Error('test/dist is missing: npm run build')
    const script = `
      const { acquireRabbitMq, acquireKafka, acquirePostgres, acquirePrometheus } = await import('${built.href}')
      const [rabbit, kafka, postgres] = await Promise.all([acquireRabbitMq, acquireKafka, acquirePostgres].map((it) => it({ fresh: true })))
      const prometheus = await acquirePrometheus({ configuration: ${JSON.stringify(configuration)}, targets: {} })
      console.log(JSON.stringify([rabbit.urls[0], kafka.brokers[0], postgres.url, prometheus.url]))
      setInterval(() => {}, 1000)`
    owner = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    const lines = createInterface({ input: owner.stdout as NodeJS.ReadableStream })
    const line = await new Promise<string>((resolve, reject) => {
      lines.once('line', resolve)
      owner?.once('exit', (code) => reject(new Error(`the owner ended with code ${code}`)))
    })
    const instances = (JSON.parse(line) as string[]).map(instanceAt)
    const leftovers = async (): Promise<string[]> => (await Promise.all(instances.map(leftoversOf))).flat()
    expect((await leftovers()).length).toBeGreaterThan(10)

    owner.kill('SIGKILL')
    await vi.waitFor(async () => expect(await leftovers()).toEqual([]), { timeout: 10_000, interval: 100 })
  })
})
