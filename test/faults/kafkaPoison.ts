import { setTimeout as sleep } from 'node:timers/promises'
import { createService, silentLogger } from '@posthorn/core'
import { createKafka } from '@posthorn/kafka'
import { Kafka, logLevel } from 'kafkajs'
import type { Message } from 'kafkajs'
import type { FaultContext, FaultKind } from './target.js'
import { bomb, harmful, markHeader, work } from './traffic.js'
import type { BombData } from './traffic.js'

/** What messages can do to those who handle them. */
export function kafkaPoison(brokers: readonly string[]): Readonly<Record<string, FaultKind>> {
  return {
    poisoned: { minMs: 500, maxMs: 1_000, inject: (context) => poisoned(brokers, context) },
    processAborted: { minMs: 500, maxMs: 1_000, inject: (context) => aborted(brokers, context) },
    handlerHung: { minMs: 3_000, maxMs: 6_000, inject: (context) => hung(brokers, context) },
  }
}

const structured = 'application/cloudevents+json; charset=UTF-8'
const envelope = { specversion: '1.0', source: '/faults/operator', type: work.type }
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

/** Bodies that nobody can read, or whose data breaks their schema; null is a tombstone. */
const bodies: readonly ((id: string) => Buffer | null)[] = [
  () => Buffer.from([0xff, 0xfe, 0x00, 0x80]),
  (id) => json({ ...envelope, id }).subarray(0, 40),
  (id) => json({ ...envelope, id, data: { key: 1, seq: 'one' } }),
  (id) => json({ ...envelope, id, specversion: '9.9', data: { key: 'k', seq: 1 } }),
  () => json({ ...envelope, data: { key: 'k', seq: 1 } }),
  (id) => Buffer.from(`{"specversion":"1.0","id":"${id}","__proto__":{"polluted":true},"data":{}}`),
  () => Buffer.from(`${'['.repeat(10_000)}${']'.repeat(10_000)}`),
  () => Buffer.alloc(0),
  () => null,
]

/** One of each, among the others: the ledger owes each its end as a dead letter, and nobody may wait for it. */
async function poisoned(brokers: readonly string[], { own }: FaultContext): Promise<() => Promise<void>> {
  const ids: string[] = []
  const messages: Message[] = []
  for (const bodyOf of bodies) {
    const id = await own.attempt('w', harmful('poison'))
    ids.push(id)
    messages.push({ key: id, value: bodyOf(id), headers: { 'content-type': structured, [markHeader]: id } })
  }
  const producer = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).producer()
  try {
    await producer.connect()
    await producer.send({ topic: work.destination, acks: -1, messages })
  } finally {
    await producer.disconnect()
  }
  for (const id of ids) await own.confirmed(id)
  return () => Promise.resolve()
}

/**
 * One process after the other ends on it, until it is blamed and put aside. Nothing else is published meanwhile: after a
 * crash all messages are suspects, and are tried one at a time.
 */
async function aborted(
  brokers: readonly string[],
  { own, children, drained, resume }: FaultContext,
): Promise<() => Promise<void>> {
  await drained()
  const consumers = children.filter(({ role }) => role === 'consumer')
  for (const consumer of consumers) consumer.revive(true)
  const id = await publishBomb(brokers, own, { harm: 'abort', until: 0 })
  return async () => {
    await ended(own, id)
    // The last one may be on its way back.
    for (const consumer of consumers) while ((await consumer.sample()) === undefined) await sleep(200)
    for (const consumer of consumers) consumer.revive(false)
    resume()
  }
}

/** A handler that never settles: all others go on, and its message is not lost with its process. */
async function hung(brokers: readonly string[], context: FaultContext): Promise<() => Promise<void>> {
  const { own, children, durationMs } = context
  await publishBomb(brokers, own, { harm: 'hang', until: own.now() + durationMs * 1_000 })
  return async () => {
    for (const consumer of children.filter(({ role }) => role === 'consumer')) {
      if (!(await consumer.terminate())) throw new Error(`${consumer.name} did not stop in time`)
      await consumer.start()
    }
  }
}

async function publishBomb(
  brokers: readonly string[],
  own: FaultContext['own'],
  harm: Pick<BombData, 'harm' | 'until'>,
): Promise<string> {
  const transport = createKafka({ brokers, clientId: 'operator' })
  const service = createService({ source: '/faults/operator', transport, publishes: [bomb], logger: silentLogger })
  await service.start()
  try {
    const id = await own.attempt('x', harmful(harm.harm))
    await service.publish(bomb, { key: id, seq: 1, ...harm }, { id })
    await own.confirmed(id)
    return id
  } finally {
    await service.stop()
  }
}

/** Longer than several sessions, each of which ends with a crash. */
const endMs = 240_000

async function ended(own: FaultContext['own'], id: string): Promise<void> {
  const end = performance.now() + endMs
  while (!own.hasEnded(id)) {
    if (performance.now() > end) throw new Error(`${id} did not end in ${endMs} ms`)
    await sleep(100)
  }
}
