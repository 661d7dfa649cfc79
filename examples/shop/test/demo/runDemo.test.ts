import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { silentLogger, systemClock } from '@posthorn/core'
import type { Transport } from '@posthorn/core'
import { createMemory, createMemoryBroker } from '@posthorn/memory'
import type { Databases, ShopStore } from '../../src/database/shopDatabase.js'
import { findTransports } from '../../src/broker/transports.js'
import type { Transports } from '../../src/broker/transports.js'
import { addsUp } from '../../src/demo/report.js'
import { runDemo } from '../../src/demo/runDemo.js'
import type { DemoOptions, DemoResult } from '../../src/demo/runDemo.js'
import { usePglite } from '../shopDatabases.js'
import { orderIdWith, soundOrder } from '../shopFixture.js'

/** Far more than needed: other tests keep the machine busy. */
const timeout = 240_000

const pglite = usePglite()

type Send = Transport['send']

/** A memory transport whose `send` goes through a function that may do something else. */
async function tampered(tamper: (send: Send) => Send): Promise<Transports> {
  const transports = await findTransports({ transport: 'memory' })
  return {
    ...transports,
    create() {
      const transport = transports.create()
      return { ...transport, send: tamper((...args) => transport.send(...args)) }
    },
  }
}

/** The databases of a run, whose stores of one service do something else. */
async function tamperedDatabases(
  service: 'orders' | 'payments',
  tamper: (store: ShopStore) => ShopStore,
): Promise<Databases> {
  const { databases } = pglite
  return {
    ...databases,
    async open(schema, tables) {
      const opened = await databases.open(schema, tables)
      return schema.endsWith(service) ? { ...opened, store: tamper(opened.store) } : opened
    },
  }
}

function orders(count: number, changes: object = {}): string {
  return Array.from({ length: count }, (_, index) =>
    JSON.stringify(soundOrder({ orderId: `o-${index}`, userId: `u-${index % 10}`, ...changes })),
  ).join('\n')
}

async function demo(text: string | Readable, options: Partial<DemoOptions> = {}): Promise<DemoResult> {
  const stream = typeof text === 'string' ? Readable.from([Buffer.from(text)]) : text
  return runDemo({
    transports: await findTransports({ transport: 'memory' }),
    databases: pglite.databases,
    input: { name: 'test', totalBytes: undefined, stream },
    seed: 7,
    logger: silentLogger,
    signal: new AbortController().signal,
    stallMs: 150_000,
    ...options,
  })
}

describe.concurrent('a run', { timeout }, () => {
  test('ends each order in its own way, and adds up', async () => {
    const ids = (['fine', 'slow', 'busy', 'down', 'declined', 'unusable', 'lost'] as const).map((fate) =>
      orderIdWith(fate),
    )
    const result = await demo(ids.map((orderId) => JSON.stringify(soundOrder({ orderId }))).join('\n'))
    expect(result).toMatchObject({ read: 7, published: 7, handled: 5, deadLettered: 2, lost: 0 })
    expect(result.retried).toBe(1 + 2 + 3 + 3)
    expect(result.tally).toMatchObject({ paid: 4, declined: 1 })
    expect(Object.fromEntries(result.tally.reasons)).toEqual({ nonRetryable: 1, retriesExhausted: 1 })
    expect(addsUp(result)).toBe(true)
  })

  test('comes to the same with the same seed, and to something else with another', async () => {
    const facts = async (seed: number): Promise<unknown> => {
      const { handled, deadLettered, retried, tally } = await demo(orders(120), { seed })
      return { handled, deadLettered, retried, paid: tally.paid }
    }
    const [first, again, other] = await Promise.all([facts(7), facts(7), facts(8)])
    expect(again).toEqual(first)
    expect(other).not.toEqual(first)
  })

  test('publishes an order that is there twice twice, and follows both', async () => {
    const order = JSON.stringify(soundOrder())
    const result = await demo(`${order}\n${order}`)
    expect(result).toMatchObject({ read: 2, published: 2, handled: 2, lost: 0 })
  })

  test('takes orders whose ids cannot travel as attributes', async () => {
    const order = (orderId: string): string => JSON.stringify(soundOrder({ orderId, userId: `${orderId}\u0001` }))
    const result = await demo([order('a\u0000'), order('\ud800'), order('x'.repeat(5_000))].join('\n'))
    expect(result).toMatchObject({ read: 3, published: 3, lost: 0 })
  })

  test('takes an order of exactly one mebibyte', async () => {
    const [start, end] = [JSON.stringify(soundOrder({ note: '' })).slice(0, -2), '"}']
    const line = start + 'x'.repeat(1_048_576 - start.length - end.length) + end
    const result = await demo(`${line}\n${line.replace('"x', '"xx')}`)
    expect(result).toMatchObject({ read: 2, published: 1, handled: 1, lost: 0 })
    expect([...result.rejections]).toMatchObject([{ line: 2, code: 'SHOP_LINE_TOO_LONG' }])
  })
})

describe.concurrent('a broker that loses', { timeout }, () => {
  const isOrder = (type: string): boolean => type.includes('order.placed')

  test('a confirmed order is found out, with its line', async () => {
    let lost = 0
    const transports = await tampered((send) => async (target, message, options) => {
      const isFirstSend = 'destination' in target && isOrder(message.type)
      if (isFirstSend && Buffer.from(message.body ?? []).includes('"o-5"') && (lost += 1) > 0) return { routed: true }
      return send(target, message, options)
    })
    const result = await demo(orders(20), { transports, stallMs: 8_000 })
    expect(lost).toBe(1)
    expect(result).toMatchObject({ read: 20, published: 20, lost: 1, missing: [6], isStalled: true })
    expect(addsUp(result)).toBe(false)
  })

  test.each([
    ['retries', 'retry'],
    ['dead letters', 'dead'],
  ])('%s is found out', async (_what, kind) => {
    const transports = await tampered(
      (send) => async (target, message, options) =>
        kind in target ? { routed: true } : send(target, message, options),
    )
    const orderId = orderIdWith('lost')
    const result = await demo(JSON.stringify(soundOrder({ orderId })), { transports, stallMs: 8_000 })
    expect(result).toMatchObject({ published: 1, handled: 0, deadLettered: 0, lost: 1 })
    expect(addsUp(result)).toBe(false)
  })

  test('what the payment worker tells is found out', async () => {
    const transports = await tampered(
      (send) => async (target, message, options) =>
        message.type.includes('order.paid') ? { routed: true } : send(target, message, options),
    )
    const result = await demo(orders(1), { transports, stallMs: 8_000 })
    expect(result).toMatchObject({ published: 1, handled: 0, lost: 1 })
  })

  test('the news of a user makes the order be rejected and the run not add up', async () => {
    const transports = await tampered(
      (send) => async (target, message, options) =>
        message.type.includes('user.registered') ? { routed: true } : send(target, message, options),
    )
    const result = await demo(orders(1), { transports, stallMs: 1_000 })
    expect(result).toMatchObject({ published: 0, lateUsers: 1 })
    expect(addsUp(result)).toBe(false)
  })
})

describe.concurrent('a broker that repeats', { timeout }, () => {
  test('orders makes nothing count twice', async () => {
    const transports = await tampered((send) => async (target, message, options) => {
      if ('destination' in target) await send(target, message, options)
      return send(target, message, options)
    })
    const result = await demo(orders(50), { transports })
    expect(result).toMatchObject({ read: 50, published: 50, lost: 0 })
    expect(result.repeated).toBeGreaterThan(0)
    expect(addsUp(result)).toBe(true)
  })

  test('what an earlier run left behind is not taken for ours', async () => {
    const transports = await findTransports({ transport: 'memory' })
    const kept = { ...transports, close: () => {} }
    // The first run is stopped while its orders are on their way.
    const stop = new AbortController()
    const stream = new Readable({ read() {} })
    stream.push(`${orders(400)}\n`)
    const first = demo(stream, {
      transports: kept,
      signal: stop.signal,
      onStart: (look) => {
        const timer = setInterval(() => {
          if (look().published < 100) return
          clearInterval(timer)
          stop.abort()
        }, 1)
      },
    })
    expect(await first).toMatchObject({ isInterrupted: true })
    const second = await demo(orders(30), { transports: kept })
    expect(second).toMatchObject({ read: 30, published: 30, lost: 0 })
    expect(second.tally.strays).toBeGreaterThan(0)
    expect(addsUp(second)).toBe(true)
    transports.close()
  })
})

test(
  'a fault of the demo itself rejects the line without showing it, and the run does not add up',
  { timeout },
  async () => {
    const databases = await tamperedDatabases('orders', (store) => ({
      ...store,
      insert: () => Promise.reject(new TypeError('secret is not a function')),
    }))
    const errors: string[] = []
    const logger = { ...silentLogger, error: (_facts: object, text: string) => void errors.push(text) }
    const result = await demo(orders(3), { databases, logger })
    expect(result).toMatchObject({ read: 3, published: 0, faults: 3, lost: 0 })
    expect([...result.rejections]).toMatchObject(Array.from({ length: 3 }, () => ({ code: 'SHOP_INTERNAL' })))
    expect(JSON.stringify([...result.rejections])).not.toContain('secret')
    expect(errors).toHaveLength(1)
    expect(addsUp(result)).toBe(false)
  },
)

test('a run whose publishes fail for a while goes on with the same ids', { timeout }, async () => {
  const seen = new Set<string>()
  const broker = createMemoryBroker({ maxMessages: 20 }) // Full again and again: refused, and published again.
  const transports: Transports = {
    name: 'memory',
    create() {
      const transport = createMemory({ broker })
      return {
        ...transport,
        send(target, message, options) {
          if ('destination' in target && message.type.includes('order.placed')) seen.add(message.id)
          return transport.send(target, message, options)
        },
      }
    },
    close: () => broker.close(),
  }
  const result = await demo(orders(60), { transports })
  expect(result).toMatchObject({ read: 60, lost: 0 })
  expect(seen.size).toBe(60)
  expect(addsUp(result)).toBe(true)
})

test('a run that is stopped ends soon, though its input is still open', { timeout }, async () => {
  const stop = new AbortController()
  const stream = new Readable({ read() {} })
  stream.push(`${orders(5)}\n`)
  const result = await demo(stream, { signal: stop.signal, onStart: () => void setTimeout(() => stop.abort(), 50) })
  expect(result.isInterrupted).toBe(true)
  expect(stream.destroyed).toBe(true)
})

test('a run that is stopped while it registers users ends soon', { timeout }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'shop-'))
  try {
    const usersFile = join(folder, 'users')
    writeFileSync(usersFile, 'a\nb\n')
    const transports = await tampered(
      (send) => async (target, message, options) =>
        message.type.includes('user.registered') ? { routed: true } : send(target, message, options),
    )
    const stop = new AbortController()
    const onStart = (): void => void setTimeout(() => stop.abort(), 50)
    const stopped = await demo(orders(5), { transports, usersFile, signal: stop.signal, onStart })
    expect(stopped).toMatchObject({ isInterrupted: true, published: 0 })
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('users of a file whose news are lost make the run not add up', { timeout }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'shop-'))
  try {
    const usersFile = join(folder, 'users')
    writeFileSync(usersFile, 'u-0\nu-1\n')
    const transports = await tampered(
      (send) => async (target, message, options) =>
        Buffer.from(message.body ?? []).includes('"u-1"') && message.type.includes('user.registered')
          ? { routed: true }
          : send(target, message, options),
    )
    const result = await demo(orders(5), { transports, usersFile, stallMs: 1_000 })
    expect(result.lateUsers).toBe(1)
    expect(addsUp(result)).toBe(false)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a run has more orders than may be under way at once', { timeout }, async () => {
  const result = await demo(orders(150), { maxUnderWay: 20 })
  expect(result).toMatchObject({ read: 150, published: 150, lost: 0 })
  expect(addsUp(result)).toBe(true)
})

describe.concurrent('a shop whose promises are broken', { timeout }, () => {
  /** Every message reaches each group twice. */
  const twice = (): Promise<Transports> =>
    tampered((send) => async (target, message, options) => {
      if ('destination' in target) await send(target, message, options)
      return send(target, message, options)
    })
  const forgetful = (store: ShopStore): ShopStore => ({
    ...store,
    remember: async (_tx, keys) => keys.map(() => 'new' as const),
  })

  test.each([
    ['payment worker', 'payments'],
    ['order service', 'orders'],
  ] as const)('is found out when the inbox of the %s remembers nothing', async (_what, service) => {
    const databases = await tamperedDatabases(service, forgetful)
    // A few at a time: with all at once the run may be over when each is answered, and before the second answers are handled.
    const result = await demo(orders(20), { databases, transports: await twice(), maxUnderWay: 3 })
    expect(result).toMatchObject({ read: 20, published: 20, lost: 0 })
    expect(result.database.repeated).toBeGreaterThan(0)
    expect(addsUp(result)).toBe(false)
  })

  test('is found out when it publishes orders that are rolled back', async () => {
    let count = 0
    const transports = await findTransports({ transport: 'memory' })
    const aside = transports.create()
    await aside.connect({ logger: silentLogger, clock: systemClock }, [], { deadline: performance.now() + 10_000 })
    const databases = await tamperedDatabases('orders', (store) => ({
      ...store,
      async insert(_tx, entries) {
        // At once, and outside of the transaction.
        const options = { deadline: performance.now() + 10_000, mustRoute: false }
        for (const { message } of entries) await aside.send({ destination: 'demo.shop.orders' }, message, options)
        if ((count += 1) % 5 === 0) throw new Error('the transaction is rolled back')
      },
    }))
    const result = await demo(orders(20), { databases, transports, stallMs: 20_000 })
    expect(result.database.ghosts).toBeGreaterThan(0)
    expect(addsUp(result)).toBe(false)
  })

  test('is found out when it commits orders and not their events', async () => {
    const databases = await tamperedDatabases('orders', (store) => ({ ...store, insert: async () => {} }))
    const result = await demo(orders(5), { databases, stallMs: 3_000 })
    expect(result).toMatchObject({ read: 5, published: 0, database: { orders: 5, payments: 0 } })
    expect(addsUp(result)).toBe(false)
  })
})

describe('a run whose workers crash', { timeout }, () => {
  test('adds up: every worker dies several times, each order is charged once', async () => {
    const crashed: string[] = []
    const chaos = { onCrash: (what: string) => void crashed.push(what) }
    const result = await demo(orders(300), { chaos })
    expect(result).toMatchObject({ read: 300, published: 300, lost: 0, faults: 0 })
    expect(result.database).toMatchObject({ orders: 300, placedEvents: 300, repeated: 0, ghosts: 0, waiting: 0 })
    const { orders: ordersCrashed, payments, relay, connections } = result.crashes!
    expect(Math.min(ordersCrashed, payments, relay)).toBeGreaterThan(0)
    expect(crashed).toHaveLength(ordersCrashed + payments + relay + connections)
    expect(addsUp(result)).toBe(true)
  })

  test('is found out when the inbox of the payment worker remembers nothing', async () => {
    const databases = await tamperedDatabases('payments', (store) => ({
      ...store,
      remember: async (_tx, keys) => keys.map(() => 'new' as const),
    }))
    const result = await demo(orders(300), { databases, chaos: { onCrash: () => {} } })
    expect(result.database.repeated).toBeGreaterThan(0)
    expect(addsUp(result)).toBe(false)
  })
})
