import { complete, deadLetter, discard, NonRetryableError, OutboxError, retryAfter } from '@posthorn/core'
import type { HandlerResult } from '@posthorn/core'
import { createVirtualClock } from '@posthorn/memory'
import { describe, expect, it } from 'vitest'
import { createInbox, handlersWith } from '../src/index.js'
import type { Inbox, InboxContext, InboxHealth, InboxKey, InboxStore, MemoryTransaction } from '../src/index.js'
import { createLedger, createRecordingLogger, orderPlaced, problemsOf, startBench } from './fixtures.js'
import type { Bench, BenchOptions, Ledger } from './fixtures.js'

type Tx = MemoryTransaction
type Store = InboxStore<Tx>

interface Scene extends Bench {
  readonly ledger: Ledger
  readonly inbox: Inbox<Tx>
  /** Order ids of the calls of the handler, in their order. */
  readonly calls: readonly string[]
  health(): InboxHealth
  isRemembered(id: string): Promise<boolean>
}

interface SceneOptions extends BenchOptions {
  readonly inbox?: { readonly expired?: 'deadLetter' | 'handle' }
  /** Puts something between the inbox and its store. */
  readonly through?: (store: Store) => Store
}

/** A handler that writes its order with `context.tx` and then does what the test says. */
async function startScene(
  act: (orderId: string, context: InboxContext<Tx>, call: number) => HandlerResult | Promise<HandlerResult> = () => {},
  { inbox: options, through = (store) => store, ...benchOptions }: SceneOptions = {},
): Promise<Scene> {
  const clock = createVirtualClock()
  const ledger = createLedger(clock)
  const inbox = createInbox({ store: through(ledger.store), ...options })
  const calls: string[] = []
  const handler = handlersWith(inbox).on(orderPlaced, ({ data }, context) => {
    calls.push(data.orderId)
    ledger.write(context.tx, data.orderId)
    return act(data.orderId, context, calls.length)
  })
  const bench = await startBench(handler, { clock, setUp: (service) => void service.attach(inbox), ...benchOptions })
  const keyOf = (id: string): InboxKey => ({ consumer: 'billing', source: '/shop', id, time: undefined })
  return {
    ...bench,
    ledger,
    inbox,
    calls,
    health: () => inbox.health(),
    isRemembered: async (id) => {
      const tx = ledger.store.begin()
      const [verdict] = await ledger.store.remember(tx, [keyOf(id)])
      await tx.rollback()
      return verdict === 'duplicate'
    },
  }
}

/** A promise that a test settles by hand. */
function createGate(): { readonly promise: Promise<void>; open(): void } {
  let open!: () => void
  const promise = new Promise<void>((resolve) => (open = resolve))
  return { promise, open }
}

describe('a message that comes again', () => {
  it('is completed without a call of the handler, and counted', async () => {
    const { deliver, calls, ledger, health, service } = await startScene()
    await deliver('o-1', { id: 'm-1' })
    await deliver('o-1', { id: 'm-1' })
    await deliver('o-2', { id: 'm-2' })
    expect(calls).toEqual(['o-1', 'o-2'])
    expect(ledger.effects).toEqual(['o-1', 'o-2'])
    expect(health()).toMatchObject({ handled: 2, duplicates: 1, expired: 0 })
    expect(service.health().consumers[0]).toMatchObject({ inFlight: 0, deadLettered: 0 })
    await service.stop()
  })

  it('to eight consumers at once is handled once', async () => {
    const gate = createGate()
    let asked = 0
    const through = (store: Store): Store => ({
      ...store,
      remember: (tx, keys) => {
        if ((asked += 1) === 8) gate.open()
        return store.remember(tx, keys)
      },
    })
    // The one that is called ends when all eight have begun.
    const scene = await startScene(() => gate.promise, { through, concurrency: 8 })
    await Promise.all(Array.from({ length: 8 }, () => scene.deliver('o-1', { id: 'm-1' })))
    expect(asked).toBe(8)
    expect(scene.calls).toEqual(['o-1'])
    expect(scene.ledger.effects).toEqual(['o-1'])
    expect(scene.health()).toMatchObject({ handled: 1, duplicates: 7 })
    await scene.service.stop()
  })

  it('while the first attempt fails is handled by the second', async () => {
    const gate = createGate()
    let asked = 0
    const through = (store: Store): Store => ({
      ...store,
      remember: (tx, keys) => {
        if ((asked += 1) === 2) gate.open()
        return store.remember(tx, keys)
      },
    })
    const failOnce = async (_id: string, _context: unknown, call: number): Promise<void> => {
      await gate.promise
      if (call === 1) throw new Error('no')
    }
    const scene = await startScene(failOnce, { through })
    await Promise.all([scene.deliver('o-1', { id: 'm-1' }), scene.deliver('o-1', { id: 'm-1' })])
    expect(scene.calls).toHaveLength(2)
    expect(scene.ledger.effects).toEqual(['o-1'])
    expect(scene.health()).toMatchObject({ handled: 1, duplicates: 1 })
    await scene.service.stop()
  })

  it('because its publisher repeated it under its id is the same message, though its time is another', async () => {
    const { deliver, clock, calls, health, service } = await startScene()
    await deliver('o-1', { id: 'm-1' })
    await clock.advance(5_000)
    await deliver('o-1', { id: 'm-1' })
    expect(calls).toEqual(['o-1'])
    expect(health()).toMatchObject({ handled: 1, duplicates: 1 })
    await service.stop()
  })

  it('to another group is another message', async () => {
    const { deliver, calls, ledger, service } = await startScene()
    const other = { consumer: 'mail', source: '/shop', id: 'm-1', time: undefined }
    await ledger.store.transaction((tx) => ledger.store.remember(tx, [other]))
    await deliver('o-1', { id: 'm-1' })
    expect(calls).toEqual(['o-1'])
    await service.stop()
  })
})

describe('a handler that throws', () => {
  it('leaves nothing behind, is not remembered, and its retry has the effect once', async () => {
    const { deliver, calls, ledger, health, service } = await startScene((_id, _context, call) => {
      if (call === 1) throw new Error('no')
    })
    await deliver('o-1')
    expect(calls).toEqual(['o-1', 'o-1'])
    expect(ledger.effects).toEqual(['o-1'])
    expect(health()).toMatchObject({ handled: 1, duplicates: 0 })
    await service.stop()
  })

  it('is judged by its own error, unwrapped', async () => {
    const { deliver, calls, ledger, deadLetters, isRemembered, service } = await startScene(() => {
      throw new NonRetryableError('hopeless')
    })
    await deliver('o-1', { id: 'm-1' })
    expect(calls).toHaveLength(1)
    expect(deadLetters[0]).toMatchObject({ reason: 'nonRetryable', error: { name: 'NonRetryableError' } })
    expect(ledger.effects).toEqual([])
    expect(await isRemembered('m-1')).toBe(false)
    await service.stop()
  })
})

describe('outcomes', () => {
  it.each([
    ['complete', complete(), { calls: 1, effects: 1, remembered: true, dead: 0 }],
    ['discard', discard('not wanted'), { calls: 1, effects: 1, remembered: true, dead: 0 }],
    ['retryAfter', retryAfter(0), { calls: 2, effects: 0, remembered: false, dead: 1 }],
    ['deadLetter', deadLetter('bad card'), { calls: 1, effects: 0, remembered: false, dead: 1 }],
    ['nonsense', 'done' as never, { calls: 1, effects: 0, remembered: false, dead: 1 }],
  ])('%s: commits what was handled, and remembers nothing else', async (_name, outcome, expected) => {
    const { deliver, calls, ledger, deadLetters, isRemembered, service } = await startScene(() => outcome)
    await deliver('o-1', { id: 'm-1' })
    expect({
      calls: calls.length,
      effects: ledger.effects.length,
      remembered: await isRemembered('m-1'),
      dead: deadLetters.length,
    }).toEqual(expected)
    await service.stop()
  })

  it('discard is counted as discarded by the consumer', async () => {
    const { deliver, service } = await startScene(() => discard('not wanted'))
    await deliver('o-1')
    expect(service.health().consumers[0]).toMatchObject({ discarded: 1, deadLettered: 0 })
    await service.stop()
  })

  it('are passed on also where the rollback fails, since nothing was committed', async () => {
    const through = (store: Store): Store => ({
      ...store,
      transaction: (work) =>
        store.transaction(work).catch(() => {
          throw new Error('connection lost in ROLLBACK')
        }),
    })
    const { deliver, deadLetters, service } = await startScene(() => deadLetter('bad card'), { through })
    await deliver('o-1')
    expect(deadLetters[0]).toMatchObject({ reason: 'rejected', error: { message: 'bad card' } })
    await service.stop()
  })
})

describe('a database that is away', () => {
  const away =
    (times: number, where: 'begin' | 'remember') =>
    (store: Store): Store => {
      let left = times
      const fail = (): Promise<never> =>
        Promise.reject(new OutboxError({ code: 'POSTHORN_OUTBOX_UNAVAILABLE', message: 'no database' }))
      return {
        ...store,
        transaction: (work) => (where === 'begin' && left-- > 0 ? fail() : store.transaction(work)),
        remember: (tx, keys) => (where === 'remember' && left-- > 0 ? fail() : store.remember(tx, keys)),
      }
    }

  it.each(['begin', 'remember'] as const)('at %s is waited for, and no attempt of the message', async (where) => {
    const attempts: number[] = []
    const act = (_orderId: string, { attempt }: { readonly attempt: number }): void => void attempts.push(attempt)
    const { deliver, ledger, health, service } = await startScene(act, { through: away(4, where) })
    await deliver('o-1')
    // On the machine's clock, unlike the broker of these tests.
    await expect.poll(() => health().handled).toBe(1)
    expect(attempts).toEqual([1])
    expect(ledger.effects).toEqual(['o-1'])
    await service.stop()
  })
})

describe('a COMMIT without an answer', () => {
  /** The connection breaks in the first COMMIT, after or before the database has done it. */
  const breaking =
    (hasCommitted: boolean) =>
    (store: Store): Store => {
      let breaks = 1
      return {
        ...store,
        async transaction(work) {
          if (breaks-- <= 0) return store.transaction(work)
          const lost = new Error('connection lost in COMMIT')
          await store.transaction(async (tx) => {
            const result = await work(tx)
            if (!hasCommitted) throw lost
            return result
          })
          throw lost
        },
      }
    }

  it('is tried again, and is a duplicate where it had committed', async () => {
    const { deliver, calls, ledger, health, service } = await startScene(undefined, { through: breaking(true) })
    await deliver('o-1')
    expect(calls).toHaveLength(1)
    expect(ledger.effects).toEqual(['o-1'])
    expect(health()).toMatchObject({ handled: 0, duplicates: 1 })
    await service.stop()
  })

  it('is tried again, and handled where it had not', async () => {
    const { deliver, calls, ledger, health, service } = await startScene(undefined, { through: breaking(false) })
    await deliver('o-1')
    expect(calls).toHaveLength(2)
    expect(ledger.effects).toEqual(['o-1'])
    expect(health()).toMatchObject({ handled: 1, duplicates: 0 })
    await service.stop()
  })
})

describe('a message that is older than what is remembered', () => {
  const old = { id: 'm-1', time: new Date(0) }

  it('is dead-lettered with a code at once, and not handled', async () => {
    const { deliver, calls, deadLetters, health, service } = await startScene()
    await deliver('o-1', old)
    expect(calls).toEqual([])
    expect(deadLetters[0]).toMatchObject({ reason: 'rejected', error: { name: 'OutboxError' }, attempts: 1 })
    expect(deadLetters[0]?.error?.message).toMatch(/^POSTHORN_INBOX_EXPIRED/)
    expect(health()).toMatchObject({ handled: 0, expired: 1 })
    await service.stop()
  })

  it('is handled where that is allowed', async () => {
    const { deliver, calls, ledger, health, service } = await startScene(undefined, { inbox: { expired: 'handle' } })
    await deliver('o-1', old)
    expect(calls).toEqual(['o-1'])
    expect(ledger.effects).toEqual(['o-1'])
    expect(health()).toMatchObject({ handled: 1, expired: 1 })
    await service.stop()
  })
})

describe('the context', () => {
  it('gives what a handler has without an inbox, the signal and the logger only when they are read', () => {
    const ledger = createLedger()
    const read: string[] = []
    const noting = (name: string): object => ({ get: () => read.push(name), enumerable: true })
    const outer = Object.defineProperties(
      { attempt: 3, destination: 'orders', group: 'billing', headers: { a: '1' } },
      { signal: noting('signal'), logger: noting('logger') },
    )
    let seen: object | undefined
    const inbox = createInbox({ store: ledger.store, maintenanceIntervalMs: 0 })
    const { call } = handlersWith(inbox).on(orderPlaced, async (_message, context) => {
      const { attempt, destination, group, headers } = context
      seen = { attempt, destination, group, headers }
      expect(read).toEqual([])
      void [context.signal, context.logger]
    })
    const envelope = { specversion: '1.0', id: 'm-1', source: '/shop', type: orderPlaced.type }
    const items = [{ data: { orderId: 'o-1' }, envelope, attempt: 3, headers: {} }]
    return (call(items as never, outer as never) as Promise<void>).then(() => {
      expect(seen).toEqual({ attempt: 3, destination: 'orders', group: 'billing', headers: { a: '1' } })
      expect(read).toEqual(['signal', 'logger'])
    })
  })

  it.each([
    ['id', { id: '', source: '/shop' }],
    ['source', { id: 'm-1', source: '' }],
  ])('is not made for a message whose %s is empty', async (_name, identity) => {
    const { store } = createLedger()
    let calls = 0
    const { call } = handlersWith(createInbox({ store, maintenanceIntervalMs: 0 })).on(orderPlaced, () => void calls++)
    const items = [{ data: { orderId: 'o-1' }, envelope: { ...identity, type: 'x', specversion: '1.0' } }]
    const called = call(items as never, { group: 'billing' } as never) as Promise<unknown>
    await expect(called).rejects.toMatchObject({ code: 'POSTHORN_INVALID_ENVELOPE' })
    expect(calls).toBe(0)
  })
})

describe('createInbox', () => {
  it('lists all problems at once', () => {
    const wrong = { store: {}, outbox: {}, expired: 'skip', maintenanceIntervalMs: -1, name: '', other: 1 }
    expect(problemsOf(() => createInbox(wrong as never))).toHaveLength(6)
    expect(problemsOf(() => createInbox({} as never))).toHaveLength(1)
    expect(problemsOf(() => createInbox(undefined as never))).toHaveLength(1)
  })

  it('alone makes what handlersWith takes', () => {
    for (const wrong of [undefined, createLedger().store]) {
      expect(problemsOf(() => handlersWith(wrong as never))).toHaveLength(1)
    }
  })

  it('warns once when it handles messages and nobody maintains it', async () => {
    const warned = async (inboxOptions: object, attach: boolean): Promise<number> => {
      const { store } = createLedger()
      const inbox = createInbox({ store, ...inboxOptions })
      const logger = createRecordingLogger()
      const setUp: BenchOptions['setUp'] = (service) => void (attach && service.attach(inbox))
      const { deliver, service } = await startBench(
        handlersWith(inbox).on(orderPlaced, () => {}),
        { logger, setUp: setUp! },
      )
      await deliver('o-1')
      await deliver('o-2')
      await service.stop()
      return logger.records.filter(({ event }) => event === 'inbox.detached').length
    }
    expect(await warned({}, false)).toBe(1)
    expect(await warned({}, true)).toBe(0)
    expect(await warned({ maintenanceIntervalMs: 0 }, false)).toBe(0)
  })
})
