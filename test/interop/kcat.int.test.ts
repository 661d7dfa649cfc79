import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Transport } from '@posthorn/core'
import { createKafka } from '@posthorn/kafka'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { acquireKafka } from '../stack/src/index.js'
import type { Kafka } from '../stack/src/index.js'
import { runOk } from '../stack/src/run.js'
import { structuredRecord } from './kafkaRecord.js'
import { installKcat, kcat } from './kcat.js'
import { orderType, startReader, startWriter, uniqueDestination } from './orders.js'

let kafka: Kafka

beforeAll(async () => {
  ;[kafka] = await Promise.all([acquireKafka({ fresh: true }), installKcat()])
})

afterAll(() => kafka?.release())

const transport = (): Transport => createKafka({ brokers: kafka.brokers })
const event = (id: string): object => ({
  specversion: '1.0',
  id,
  source: '/kcat',
  type: orderType,
  // Long enough that a hundred of them are more than a block of kcat’s input.
  data: { orderId: id.repeat(200) },
})

test('its own default takes keys to other partitions than Java and a service do', async () => {
  const destination = uniqueDestination()
  const { service, contract } = await startWriter(transport(), destination)
  const keys = Array.from({ length: 20 }, (_, index) => `order-${index * 7}`)
  for (const key of keys) await service.publish(contract, { orderId: 'ours' }, { partitionKey: key })
  const records = keys.map((key) => ({ key, value: 'theirs', headers: [] }))
  await kcat(kafka.brokers, { partitioner: 'consistent_random' }).write(destination, ...records)
  const read = await kcat(kafka.brokers).read(destination, keys.length * 2)
  const ours = new Map(read.filter(({ value }) => value !== 'theirs').map(({ key, partition }) => [key, partition]))
  const moved = read.filter(({ key, value, partition }) => value === 'theirs' && ours.get(key) !== partition)
  expect(moved.length).toBeGreaterThan(keys.length / 2)
  await service.stop()
})

describe('the scripts that the docs show', () => {
  test.each(['structured', 'binary'])('publish an event in %s mode, which is handled', async (mode) => {
    const destination = uniqueDestination()
    const reader = await startReader({ transport: transport(), destination })
    const id = await script('publish_event.sh', destination, mode, 'o-ü-1')
    await reader.ended(1)
    expect(reader.deadLetters).toEqual([])
    expect(reader.events).toMatchObject([{ id, type: orderType, source: '/kcat/checkout', data: { orderId: 'o-ü-1' } }])
    await reader.stop()
  })

  test('print what a service publishes', async () => {
    const destination = uniqueDestination()
    const { service, contract } = await startWriter(transport(), destination)
    await service.publish(contract, { orderId: 'o-ü-1' }, { id: 'a', partitionKey: 'o-ü-1' })
    const { key, payload } = JSON.parse(await script('read_events.sh', destination, '1')) as Record<string, string>
    expect(key).toBe('o-ü-1')
    expect(JSON.parse(payload!)).toMatchObject({ id: 'a', data: { orderId: 'o-ü-1' } })
    await service.stop()
  })

  async function script(name: string, ...args: readonly string[]): Promise<string> {
    const path = fileURLToPath(new URL(`kcat/${name}`, import.meta.url))
    return (await runOk('sh', [path, kafka.brokers.join(','), ...args], { timeoutMs: 60_000 })).trim()
  }
})

test('what a transaction commits is handled, and what one that was killed wrote is not', async () => {
  const destination = uniqueDestination()
  const reader = await startReader({ transport: transport(), destination })
  await inTransaction(destination, event('killed'), 'kill')
  await inTransaction(destination, event('committed'), 'commit')
  await kcat(kafka.brokers).write(destination, structuredRecord(event('last'), 'k'))
  await expect.poll(() => reader.events.map(({ id }) => id), { timeout: 60_000 }).toContain('last')
  expect(reader.events.map(({ id }) => id)).toEqual(['committed', 'last'])
  expect(reader.deadLetters).toEqual([])
  await reader.stop()
})

/** kcat commits at the end of its input. The transaction of one that was killed is aborted when the next one begins. */
async function inTransaction(topic: string, one: object, how: 'commit' | 'kill'): Promise<void> {
  const headers = ['-H', 'content-type=application/cloudevents+json', '-k', 'k', '-X', 'partitioner=murmur2_random']
  const args = ['-P', '-b', kafka.brokers.join(','), '-t', topic, '-X', `transactional.id=${topic}`, ...headers]
  const child = spawn('kcat', args, { stdio: ['pipe', 'ignore', 'pipe'], timeout: 60_000 })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => void (said += text))
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  // It takes its input in blocks.
  child.stdin.on('error', () => {}) // Killed before it has read everything.
  child.stdin.write(`${JSON.stringify(one)}\n`.repeat(how === 'kill' ? 100 : 1))
  if (how === 'kill') {
    // Written, since who reads what is not committed sees it.
    await kcat(kafka.brokers, { isolation: 'read_uncommitted' }).read(topic, 1)
    child.kill('SIGKILL')
  }
  child.stdin.end()
  const code = await ended
  if (how === 'commit') expect({ code, said }).toMatchObject({ code: 0 })
}
