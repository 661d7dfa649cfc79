import { setTimeout as sleep } from 'node:timers/promises'
import { createPostgresStore } from '@posthorn/postgres'
import type { RabbitMqControl } from '../../stack/src/index.js'
import { withChannel } from '../rabbitMqFaults.js'
import type { FaultContext, FaultKind } from '../target.js'
import { errand, flows, work } from '../traffic.js'
import { createRunPool } from './runPool.js'

/** Where messages of the outbox should go. */
export interface Route {
  readonly control: RabbitMqControl
  /** Of the servers, not of proxies. */
  readonly broker: string
  readonly database: string
}

/** What can be wrong behind the exchange: a relay is told so. */
export function routeFaults(route: Route): Readonly<Record<string, FaultKind>> {
  return {
    queueFull: { minMs: 2_000, maxMs: 5_000, inject: () => queueFull(route) },
    // Five attempts take up to 15 s; then keys are parked.
    commandsUnrouted: { minMs: 16_000, maxMs: 20_000, inject: (context) => commandsUnrouted(route, context) },
  }
}

/** The broker refuses what does not fit: it stays in the outbox, and nobody is to blame. */
async function queueFull({ control }: Route): Promise<() => Promise<void>> {
  const queue = `^${work.destination}\\.${flows.u.group}$`
  await control.ctl('set_policy', '--apply-to', 'queues', 'full', queue, '{"max-length":1}')
  return async () => void (await control.ctl('clear_policy', 'full'))
}

/** A command must be received: its key is parked, and goes on when an operator says so. */
async function commandsUnrouted(route: Route, { note }: FaultContext): Promise<() => Promise<void>> {
  const binding = [`${errand.destination}.${flows.m.group}`, errand.destination, errand.type] as const
  await withChannel(route.broker, (channel) => channel.unbindQueue(...binding))
  return async () => {
    await withChannel(route.broker, (channel) => channel.bindQueue(...binding))
    note(`${await retryAll(route.database)} keys were parked`)
  }
}

/** Longer than what has failed already may wait for its next attempt. */
const retryMs = 30_000

/** Decides about every parked key until none waits for anything any more. */
async function retryAll(database: string): Promise<number> {
  const pool = createRunPool(database, 'operator', 2)
  const store = createPostgresStore({ pool })
  const end = performance.now() + retryMs
  let count = 0
  try {
    for (;;) {
      for (const { partition, key } of await store.parkedKeys()) {
        if ((await store.decide({ partition, key }, 'retry')) !== false) count += 1
      }
      const { rows } = await pool.query('select 1 from posthorn.outbox_key limit 1')
      if (rows.length === 0) return count
      if (performance.now() > end) throw new Error(`Keys still wait after ${retryMs} ms`)
      await sleep(200)
    }
  } finally {
    await store.close()
    await pool.end()
  }
}
