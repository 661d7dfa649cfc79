import { createService, on, silentLogger } from '@posthorn/core'
import type { Service } from '@posthorn/core'
import { createKafka } from '@posthorn/kafka'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { blocksOf, readPage } from '../docs/markdown.js'
import { acquireKafka } from '../stack/src/index.js'
import type { Kafka } from '../stack/src/index.js'
import { orderPlaced } from './orders.js'

/** What the scripts of Kafka’s `bin` folder start. */
const mainClasses: Readonly<Record<string, string>> = {
  'kafka-topics.sh': 'org.apache.kafka.tools.TopicCommand',
  'kafka-configs.sh': 'kafka.admin.ConfigCommand',
  'kafka-consumer-groups.sh': 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
}

const commandsOf = (page: string): readonly string[] =>
  blocksOf(readPage(page))
    .filter(({ language }) => language === 'sh')
    .flatMap(({ code }) => code.trimEnd().split('\n'))

const operating = commandsOf('docs/how-to/operate-kafka.md')
const contract = orderPlaced('orders')

describe.each(['4.3', '3.9'] as const)('the commands of the docs, on Kafka %s', (version) => {
  let kafka: Kafka
  const handled: string[] = []

  beforeAll(async () => {
    kafka = await acquireKafka({ version, fresh: true })
    handled.length = 0
  })

  afterAll(() => kafka?.release())

  /** Topics are all there: with `verify` the service creates none. */
  async function start(): Promise<Service> {
    const transport = createKafka({ brokers: kafka.brokers, topology: 'verify' })
    const service = createService({ source: '/docs', transport, logger: silentLogger, publishes: [contract] })
    service.consume('billing', {
      handlers: [on(contract, ({ envelope }) => void handled.push(envelope.id))],
      retry: { delaysMs: [5_000] },
    })
    await service.start({ deadlineMs: 60_000 })
    return service
  }

  async function command(line: string): Promise<string> {
    const [script = '', ...args] = line.split(' ')
    const given = args.map((arg) => (arg === '127.0.0.1:9092' ? kafka.brokers[0]! : arg))
    const { code, stdout, stderr } = await kafka.control!.tool(mainClasses[script]!, given)
    expect({ line, code, stderr: stderr.match(/.*(Error|Exception).*/g) }).toEqual({ line, code: 0, stderr: null })
    return stdout
  }

  test('make every topic that a service needs, change one, and show where a group stands', async () => {
    const before = operating.filter((line) => !line.startsWith('kafka-consumer-groups.sh'))
    expect(before.length).toBeGreaterThan(5)
    const said: string[] = []
    for (const line of before) said.push(await command(line))
    expect(said.at(-1)).toContain('retention.ms=2592000000')

    const service = await start()
    for (const id of ['a', 'b', 'c']) await service.publish(contract, { orderId: id }, { id, partitionKey: id })
    await expect.poll(() => handled.toSorted()).toEqual(['a', 'b', 'c'])
    const describing = operating.filter((line) => line.includes('--describe') && line.includes('group'))
    expect(describing.length).toBeGreaterThan(2)
    for (const line of describing) expect(await command(line)).toContain('orders.billing')
    // A commit follows within its interval.
    await expect.poll(async () => lagOf(await command(describing[0]!)), { timeout: 60_000 }).toBe(0)
    await service.stop()
  })

  test('let a group that is stopped go on elsewhere', async () => {
    const resetting = operating.filter((line) => line.includes('--reset-offsets'))
    expect(resetting.length).toBeGreaterThan(1)
    for (const line of resetting) await command(line)
    const service = await start()
    await expect.poll(() => handled.toSorted(), { timeout: 60_000 }).toEqual(['a', 'a', 'b', 'b', 'c', 'c'])
    await service.stop()
  })

  test('add partitions', async () => {
    for (const line of commandsOf('docs/how-to/choose-partitions.md')) await command(line)
    const shown = await command('kafka-topics.sh --bootstrap-server 127.0.0.1:9092 --describe --topic orders')
    expect(shown).toContain('PartitionCount: 12')
  })
})

/** The column LAG, of all partitions. */
function lagOf(table: string): number {
  const rows = table
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
  const column = rows[0]?.indexOf('LAG') ?? -1
  return rows.slice(1).reduce((sum, row) => sum + Number(row[column]), 0)
}

test('every command of the page is one that is run', () => {
  const scripts = [...operating, ...commandsOf('docs/how-to/choose-partitions.md')].map((line) => line.split(' ')[0]!)
  expect(scripts.filter((script) => !(script in mainClasses))).toEqual([])
})
