import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import pg from 'pg'
import { acquirePostgres } from '../../../../test/stack/src/index.js'
import type { Postgres } from '../../../../test/stack/src/index.js'
import { ended, startDemo } from '../demo/demoCommand.js'
import type { DemoJson, Ended } from '../demo/demoCommand.js'
import { brokerArgs, brokers } from './brokers.js'

let server: Postgres

beforeAll(async () => void (server = await acquirePostgres()))
afterAll(() => server.release())

const databaseArgs = (): string[] => ['--database', 'postgres', '--database-url', server.url]

/** Schemas of the demo: none is left once a run has ended. */
async function schemasLeft(): Promise<string[]> {
  const client = new pg.Client(server.url)
  await client.connect()
  try {
    const { rows } = await client.query<{ name: string }>(
      `select nspname as name from pg_namespace where starts_with(nspname, 'demo_')`,
    )
    return rows.map(({ name }) => name)
  } finally {
    await client.end()
  }
}

function soundJson({ code, stdout, stderr }: Ended): DemoJson {
  expect(code, stderr).toBe(0)
  return JSON.parse(stdout) as DemoJson
}

/** Far more than needed: every crash costs a start, and other tests keep the machine busy. */
const timeout = 400_000

describe.each(brokers)('the demo on $transport and PostgreSQL', { timeout }, (broker) => {
  const run = (args: readonly string[]): Promise<Ended> =>
    ended(startDemo([...brokerArgs(broker), ...databaseArgs(), '--json', ...args]))

  test('comes to what it comes to on PGlite', async () => {
    const { handled, deadLettered, database } = soundJson(await run([]))
    expect([handled, deadLettered]).toEqual([435, 6])
    expect(database).toEqual({
      name: 'postgres',
      orders: 441,
      placedEvents: 441,
      payments: 435,
      charged: 413,
      declined: 22,
      answered: 435,
      repeated: 0,
      ghosts: 0,
      waiting: 0,
    })
  })

  test('charges each order once though its processes are killed again and again, and leaves nothing behind', async () => {
    const before = await schemasLeft()
    const end = await run(['--chaos'])
    const { read, published, lost, handled, deadLettered, database, crashes } = soundJson(end)
    expect({ read, published, lost }).toEqual({ read: 474, published: 441, lost: 0 })
    expect(handled + deadLettered).toBe(441)
    expect(database).toMatchObject({ orders: 441, placedEvents: 441, payments: handled, answered: handled })
    expect(database).toMatchObject({ repeated: 0, ghosts: 0, waiting: 0 })
    expect(Math.min(crashes!.orders, crashes!.payments, crashes!.relay)).toBeGreaterThan(1)
    expect(end.stderr.match(/^crashed: /gm)).toHaveLength(crashes!.orders + crashes!.payments + crashes!.relay)
    expect(await schemasLeft()).toEqual(before)
  })
})

test('a run that was killed leaves its tables, and the next clears them away', { timeout }, async () => {
  const left = await schemasLeft()
  const killed = startDemo([...databaseArgs(), '--input', '-'], { LOG_LEVEL: 'info' })
  const end = ended(killed)
  await new Promise<void>((resolve) => killed.stderr.once('data', () => resolve())) // It says that it runs.
  const [schema] = (await schemasLeft()).filter((name) => !left.includes(name))
  expect(schema).toBeDefined()
  killed.kill('SIGKILL')
  await end
  await expect
    .poll(
      async () => {
        soundJson(await ended(startDemo([...databaseArgs(), '--input', '-', '--json']), ''))
        return schemasLeft()
      },
      { timeout: 60_000 }, // Its locks go when the server has noticed.
    )
    .not.toContain(schema)
})
