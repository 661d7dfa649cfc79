import { binaryMode, createService, silentLogger, structuredMode } from '@posthorn/core'
import type { ServiceOptions, WireFormat } from '@posthorn/core'
import type { WireMessage } from '@posthorn/core/adapter'
import { createMemory, createVirtualClock } from '@posthorn/memory'
import { describe, expect, it } from 'vitest'
import { createMemoryStore, createOutbox } from '../src/index.js'
import type { MemoryStore, MemoryTransaction, Outbox, OutboxOptions, OutboxPublishOptions } from '../src/index.js'
import {
  chargeCard,
  entriesIn,
  envelopeOf,
  orderPaid,
  orderPlaced,
  problemsOf,
  rejection,
  rejectionCode,
} from './fixtures.js'

const order = { orderId: 'o-1' }
type Options = Omit<OutboxOptions<MemoryTransaction>, 'store' | 'source'>

function createBench(options: Options = {}): { store: MemoryStore; outbox: Outbox<MemoryTransaction> } {
  const store = createMemoryStore()
  const outbox = createOutbox({ source: '/shop', store, logger: silentLogger, ...options })
  return { store, outbox }
}

/** What a service hands to its transport for the same message. */
async function published(options: Partial<ServiceOptions>, messageOptions: object): Promise<WireMessage> {
  const sent: WireMessage[] = []
  const memory = createMemory()
  const transport = {
    ...memory,
    send: (async (_target, message) => {
      sent.push(message)
      return { routed: true }
    }) as typeof memory.send,
  }
  const service = createService({ source: '/shop', transport, logger: silentLogger, ...options })
  await service.start()
  await service.publish(orderPlaced, order, messageOptions)
  await service.stop()
  return sent[0]!
}

describe('what an outbox stores', () => {
  it('is published if the transaction commits, and is gone with one that is rolled back', async () => {
    const { store, outbox } = createBench()
    const [kept, dropped] = [store.begin(), store.begin()]
    const { id } = await outbox.publish(kept, orderPlaced, order)
    await outbox.publish(dropped, orderPlaced, { orderId: 'o-2' })
    expect(await entriesIn(store)).toEqual([])
    await dropped.rollback()
    await kept.commit()
    const entries = await entriesIn(store)
    expect(entries.map(({ message }) => message.id)).toEqual([id])
    expect(entries[0]).toMatchObject({ destination: 'orders', mustRoute: false, message: { partitionKey: 'o-1' } })
  })

  const trace = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=b' }
  it.each<{ name: string; options: Partial<ServiceOptions> & Options; message: OutboxPublishOptions }>([
    { name: 'as it comes', options: {}, message: {} },
    {
      name: 'with every option of a message',
      options: {},
      message: {
        partitionKey: 'other',
        subject: 's',
        time: new Date(0),
        correlationId: 'c',
        causationId: 'd',
        expiresAt: new Date('2100-01-01'),
        extensions: { tenant: 'acme' },
        headers: { 'x-own': '1', 'posthorn-attempt': '7' },
        sequence: '5',
      },
    },
    {
      name: 'with the trace of the place that publishes, and decorators',
      options: {
        captureTrace: () => trace,
        decorators: [({ envelope, headers }) => void ((envelope['tenant'] = 'acme'), (headers['x-hop'] = '1'))],
      },
      message: {},
    },
    {
      name: 'in binary mode',
      options: { wireFormats: { orders: binaryMode() }, capabilities: { binaryPrefix: 'ce_' } },
      message: {},
    },
  ])('has the bytes and headers that a service would send, $name', async ({ options, message }) => {
    const clock = createVirtualClock()
    const { capabilities: _, ...shared } = options
    const { store, outbox } = createBench({ ...options, clock })
    await store.transaction((tx) => outbox.publish(tx, orderPlaced, order, { ...message, id: 'm-1' }))
    const [entry] = await entriesIn(store)
    expect(entry?.message).toEqual(await published({ ...shared, clock }, { ...message, id: 'm-1' }))
    if (options.captureTrace !== undefined) {
      expect(entry?.message.headers).toMatchObject(trace)
      expect(envelopeOf(entry!)).toMatchObject(trace)
    }
  })

  it('says of a command that somebody must receive it, unless the options say otherwise', async () => {
    const { store, outbox } = createBench()
    await store.transaction(async (tx) => {
      await outbox.publish(tx, chargeCard, { orderId: 'a' })
      await outbox.publish(tx, chargeCard, { orderId: 'b' }, { mustRoute: false })
      await outbox.publish(tx, orderPlaced, { orderId: 'c' }, { mustRoute: true })
    })
    expect((await entriesIn(store)).map(({ mustRoute }) => mustRoute)).toEqual([true, false, true])
    const strict = createBench({ mustRoute: true })
    await strict.store.transaction((tx) => strict.outbox.publish(tx, orderPlaced, order))
    expect((await entriesIn(strict.store))[0]?.mustRoute).toBe(true)
  })

  it('keeps the time before which it must not leave, and the id that a caller repeats', async () => {
    const { store, outbox } = createBench()
    const notBefore = new Date(Date.now() + 3_600_000)
    const tx = store.begin()
    expect(await outbox.publish(tx, orderPlaced, order, { notBefore, id: 'order-1-placed' })).toEqual({
      id: 'order-1-placed',
    })
    await tx.commit()
    expect(await store.stats()).toMatchObject({ depth: 1, scheduled: 1 })
    expect(await entriesIn(store)).toEqual([])
  })
})

describe('publishMany', () => {
  it('stores a list in its order with one write, and gives the ids', async () => {
    const { store, outbox } = createBench()
    let writes = 0
    const counting = createOutbox<MemoryTransaction>({
      source: '/shop',
      store: { insert: (tx, entries) => ((writes += 1), store.insert(tx, entries)) },
    })
    const list = ['1', '2', '3'].map((orderId) => ({ orderId }))
    const results = await store.transaction((tx) => counting.publishMany(tx, orderPlaced, list, { partitionKey: 'k' }))
    expect(writes).toBe(1)
    expect((await entriesIn(store)).map(({ message }) => message.id)).toEqual(results.map(({ id }) => id))
    expect(await outbox.publishMany(store.begin(), orderPlaced, [])).toEqual([])
  })

  it('stores nothing when one message is invalid, or when all would have one id', async () => {
    const { store, outbox } = createBench()
    await store.transaction(async (tx) => {
      const list = [order, { orderId: '' }]
      expect(await rejectionCode(outbox.publishMany(tx, orderPlaced, list))).toBe('POSTHORN_INVALID_DATA')
      const one = { id: 'x' } as object
      expect(await rejectionCode(outbox.publishMany(tx, orderPlaced, [order], one))).toBe('POSTHORN_CONFIGURATION')
    })
    expect(await entriesIn(store)).toEqual([])
  })
})

describe('what an outbox refuses', () => {
  it.each([
    ['data that breaks its schema', { orderId: '' }, {}, 'POSTHORN_INVALID_DATA'],
    ['data that is no JSON', { orderId: 'o', n: 1n }, {}, 'POSTHORN_UNSERIALIZABLE'],
    ['data whose getter throws', { get orderId() { throw new Error('no') } }, {}, 'POSTHORN_UNSERIALIZABLE'], // prettier-ignore
    ['an id that is too long', order, { id: 'x'.repeat(300) }, 'POSTHORN_INVALID_ENVELOPE'],
    ['a deadline, since nothing is sent here', order, { deadlineMs: 5 }, 'POSTHORN_CONFIGURATION'],
    ['a signal', order, { signal: new AbortController().signal }, 'POSTHORN_CONFIGURATION'],
    ['a time that is none', order, { notBefore: new Date(Number.NaN) }, 'POSTHORN_CONFIGURATION'],
    ['an expiry before the start', order, { notBefore: new Date(2), expiresAt: new Date(1) }, 'POSTHORN_CONFIGURATION'],
    ['what is too large', { orderId: 'o', more: 'x'.repeat(2_000) }, {}, 'POSTHORN_TOO_LARGE'],
  ])('%s: a typed error, nothing is written, and the transaction goes on', async (_name, data, options, code) => {
    const { store, outbox } = createBench({ limits: { maxBodyBytes: 1_000 } })
    await store.transaction(async (tx) => {
      expect(await rejectionCode(outbox.publish(tx, orderPlaced, data as typeof order, options as object))).toBe(code)
      await outbox.publish(tx, orderPlaced, order, { id: 'good' })
    })
    expect((await entriesIn(store)).map(({ message }) => message.id)).toEqual(['good'])
  })

  it('a handle in no transaction: none, a store, one that has ended', async () => {
    const { store, outbox } = createBench()
    const ended = store.begin()
    await ended.commit()
    for (const handle of [undefined, null, store, ended]) {
      const stored = outbox.publish(handle as MemoryTransaction, orderPlaced, order)
      expect(await rejectionCode(stored)).toBe('POSTHORN_NO_TRANSACTION')
    }
    expect(await entriesIn(store)).toEqual([])
    const trusting = createOutbox({ source: '/shop', store: { insert: async (_tx: unknown) => {} } })
    expect(await rejectionCode(trusting.publish(undefined, orderPlaced, order))).toBe('POSTHORN_NO_TRANSACTION')
  })

  it('what is no contract', async () => {
    const { store, outbox } = createBench()
    await store.transaction(async (tx) => {
      expect(await rejectionCode(outbox.publish(tx, undefined as never, order))).toBe('POSTHORN_CONFIGURATION')
    })
  })

  it('nothing that the store says in another way: its errors come as they are', async () => {
    const error = new Error('relation does not exist')
    const outbox = createOutbox({ source: '/shop', store: { insert: () => Promise.reject(error) } })
    expect(await rejection(outbox.publish('tx', orderPlaced, order))).toBe(error)
  })
})

describe('createOutbox', () => {
  it('lists all problems at once', () => {
    const wrong = {
      store: {},
      source: 'has spaces',
      limits: { maxDepth: 0 },
      capabilities: { binaryPrefix: 1, maxBodyBytes: 0 },
      x: 1,
    }
    const problems = problemsOf(() => createOutbox(wrong as never))
    for (const name of [
      'store.insert',
      'source',
      'limits.maxDepth',
      'capabilities.binaryPrefix',
      'capabilities.maxBodyBytes',
      'x is no known',
    ]) {
      expect(problems.join('\n')).toContain(name)
    }
    expect(problemsOf(() => createOutbox(undefined as never))).toHaveLength(1)
    expect(problemsOf(() => createOutbox({} as never))).toHaveLength(2)
  })

  it('checks the contracts that it will publish', () => {
    const other = { ...orderPlaced, identity: 'another', schema: { type: 'nonsense' } } as never
    expect(problemsOf(() => createBench({ publishes: [orderPlaced, other] }))).not.toEqual([])
    expect(createBench({ publishes: [orderPlaced, orderPaid] }).outbox).toBeDefined()
  })

  it('refuses binary mode without the names of the transport’s headers, for all destinations or for one', () => {
    const store = createMemoryStore()
    const make = (options: Options) => () => createOutbox({ source: '/shop', store, ...options })
    expect(problemsOf(make({ wireFormat: binaryMode() }))).toHaveLength(1)
    expect(problemsOf(make({ wireFormats: { orders: binaryMode(), other: structuredMode() } }))).toHaveLength(1)
    expect(problemsOf(make({ wireFormat: binaryMode(), capabilities: createMemory().capabilities }))).toEqual([])
  })

  it('refuses a message whose own format reads a prefix that is not known', async () => {
    const own: WireFormat = { ...binaryMode(), needsBinaryPrefix: false }
    const { store, outbox } = createBench({ wireFormat: own })
    const stored = outbox.publish(store.begin(), orderPlaced, order)
    expect(await rejectionCode(stored)).toBe('POSTHORN_CONFIGURATION')
  })

  it('honours what the relay’s transport can do: its longest body, and whether it sees who receives', async () => {
    const { store, outbox } = createBench({ capabilities: { maxBodyBytes: 500, routed: false } })
    const large = { orderId: 'x'.repeat(600) }
    const tx = store.begin()
    expect(await rejectionCode(outbox.publish(tx, orderPlaced, large))).toBe('POSTHORN_TOO_LARGE')
    expect(await rejectionCode(outbox.publish(tx, orderPlaced, order, { mustRoute: true }))).toBe(
      'POSTHORN_CONFIGURATION',
    )
    expect(problemsOf(() => createBench({ capabilities: { routed: false }, mustRoute: true }))).toHaveLength(1)
  })
})
