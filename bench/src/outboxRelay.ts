/*
 * A process that empties an outbox and measures itself, for `outbox.ts`. Its arguments: who (`ours`, or `hand` for a loop by hand),
 * the transport, the schema, how many relays, how many messages to measure, and how many to publish before that.
 */
import { silentLogger, systemClock } from '@posthorn/core'
import type { Transport } from '@posthorn/core'
import { createMemory } from '@posthorn/memory'
import { createRelay } from '@posthorn/outbox'
import { createPostgresStore } from '@posthorn/postgres'
import { createRabbitMq } from '@posthorn/rabbitmq'
import { addressesFrom } from './addresses.js'
import type { Sample } from './measure.js'
import { newPool } from './outboxTable.js'
import { stopwatch } from './stopwatch.js'

const [who = '', transportName = '', schema = '', relays = '', messages = '', warmUp = ''] = process.argv.slice(2)

const createTransport = (): Transport =>
  transportName === 'rabbitmq' ? createRabbitMq({ urls: addressesFrom('POSTHORN_RABBITMQ_URL') }) : createMemory()

async function measureOurs(count: number, before: number): Promise<Sample> {
  const watch = stopwatch(before, count)
  const parts = Array.from({ length: Number(relays) }, () => {
    const pool = newPool()
    const store = createPostgresStore({ pool, schema })
    const transport = createTransport()
    const send: Transport['send'] = async (...args) => {
      const receipt = await transport.send(...args)
      watch.tick()
      return receipt
    }
    return { pool, store, relay: createRelay({ store, transport: { ...transport, send }, logger: silentLogger }) }
  })
  await Promise.all(parts.map(({ relay }) => relay.start()))
  await watch.done
  // Removing what was confirmed is part of the work.
  await Promise.all(parts.map(({ relay }) => relay.stop()))
  const sample = watch.read()
  for (const { store, pool } of parts) {
    await store.close()
    await pool.end()
  }
  return sample
}

interface Row {
  readonly partition: number
  readonly id: string
  readonly event_id: string
  readonly destination: string
  readonly type: string
  readonly content_type: string
  readonly body: Buffer
  readonly headers: Record<string, string>
}

/** Select, publish, delete: without order, leases, or anybody else. */
async function measureByHand(count: number, before: number): Promise<Sample> {
  const watch = stopwatch(before, count)
  const pool = newPool()
  const transport = createTransport()
  const deadline = systemClock.monotonic() + 3_600_000
  await transport.connect({ clock: systemClock, logger: silentLogger }, [], { deadline })
  for (let left = before + count; left > 0;) {
    const { rows } = await pool.query<Row>(`select * from ${schema}.outbox order by partition, id limit 500`)
    await Promise.all(
      rows.map(async ({ event_id: id, type, content_type: contentType, body, headers, destination }) => {
        await transport.send({ destination }, { id, type, contentType, body, headers }, { deadline })
        watch.tick()
      }),
    )
    await pool.query(
      `delete from ${schema}.outbox where (partition, id) in (select * from unnest($1::smallint[], $2::bigint[]))`,
      [rows.map(({ partition }) => partition), rows.map(({ id }) => id)],
    )
    left -= rows.length
  }
  const sample = watch.read()
  await transport.close(deadline)
  await pool.end()
  return sample
}

const measure = who === 'hand' ? measureByHand : measureOurs
process.stdout.write(`${JSON.stringify(await measure(Number(messages), Number(warmUp)))}\n`)
