import { randomUUID } from 'node:crypto'
import { defineEvent, silentLogger } from '@posthorn/core'
import type { Transport } from '@posthorn/core'
import { createKafka } from '@posthorn/kafka'
import { createRabbitMq } from '@posthorn/rabbitmq'
import { expect, test } from 'vitest'
import { acquireKafka, acquireRabbitMq } from '../stack/src/index.js'
import {
  consumingService,
  createLedger,
  drained,
  ghosts,
  lost,
  publishAll,
  publishingService,
} from './countingLedger.js'
import type { LedgerRun } from './countingLedger.js'

const count = 20_000
const stallMs = 60_000

/** A broker of this test alone, to be killed. */
interface Victim {
  readonly createTransport: () => Transport
  /** Returns when the broker has stored what was declared; see `RabbitMqControl.syncDeclarations`. */
  readonly declared: () => Promise<void>
  readonly kill: () => Promise<void>
  readonly start: () => Promise<void>
  readonly release: () => Promise<void>
}

const victims: Readonly<Record<string, () => Promise<Victim>>> = {
  async RabbitMQ() {
    const { urls, control, release } = await acquireRabbitMq({ fresh: true })
    if (control === undefined) throw new Error('a fresh broker can be controlled')
    return {
      createTransport: () => createRabbitMq({ urls }),
      declared: () => control.syncDeclarations(),
      kill: () => control.kill(),
      start: () => control.start(),
      release,
    }
  },
  async Kafka() {
    const { brokers, control, release } = await acquireKafka({ fresh: true })
    if (control === undefined) throw new Error('a fresh broker can be controlled')
    return {
      createTransport: () => createKafka({ brokers }),
      declared: () => Promise.resolve(),
      kill: () => control.kill(),
      start: () => control.start(),
      release,
    }
  },
}

test.each(Object.keys(victims))(
  '%s: kill -9 in the middle of 20,000 messages loses none that was confirmed',
  async (name) => {
    const victim = await victims[name]!()
    const contract = defineEvent({
      type: 'com.example.fault.order.v1',
      destination: `kill-${randomUUID()}`,
      schema: { type: 'object', required: ['orderId'], properties: { orderId: { type: 'string' } } },
    })
    const run: LedgerRun = {
      ledger: createLedger(),
      contract,
      createTransport: victim.createTransport,
      logger: silentLogger,
    }
    const consumer = consumingService(run)
    const publisher = publishingService(run)
    try {
      await consumer.start({ deadlineMs: 60_000 })
      await publisher.start({ deadlineMs: 60_000 })
      await victim.declared()
      let killed: Promise<void> | undefined
      const killInTheMiddle = (settled: number): void => {
        if (settled < count / 2 || killed !== undefined) return
        killed = victim.kill().then(() => victim.start())
      }
      await publishAll(run, publisher, { count, onEach: killInTheMiddle })
      await killed
      await drained(run.ledger, stallMs)
      const { confirmed, unknown, notSent, deadLettered } = run.ledger
      expect(killed).toBeDefined()
      expect(confirmed.size + unknown.size + notSent.size).toBe(count)
      expect(confirmed.size).toBeGreaterThan(count * 0.9)
      expect(lost(run.ledger)).toEqual([])
      expect(ghosts(run.ledger)).toEqual([])
      expect(deadLettered.size).toBeGreaterThan(0)
    } finally {
      await Promise.allSettled([publisher.stop(), consumer.stop()])
      await victim.release()
    }
  },
  300_000,
)
