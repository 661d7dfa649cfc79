import { errorCodes } from '@posthorn/core'
import type { ErrorCode } from '@posthorn/core'
import { describe, expect, it } from 'vitest'
import { failureKinds, isOwnFailure } from '../../src/relay/publishFailures.js'
import { confirmed, createBench, entriesOf, entryOf, refusal } from './bench.js'
import type { NewEntry } from '../../src/index.js'
import type { Answer } from './bench.js'

/** Refuses key `bad`, and confirms everything else. */
const refuseBad =
  (code: ErrorCode, retryable?: boolean): Answer =>
  (sending) =>
    sending.message.partitionKey === 'bad' ? Promise.reject(refusal(code, retryable)) : confirmed(sending)

/** Destination `full` takes nothing. */
const refuseFull: Answer = (sending) =>
  'destination' in sending.target && sending.target.destination === 'full'
    ? Promise.reject(refusal('POSTHORN_PUBLISH_REFUSED'))
    : confirmed(sending)

const ofBad = (ids: readonly string[]): string[] => ids.filter((id) => id.startsWith('bad-'))

describe('failures of an entry’s own', () => {
  it('park its key after so many attempts, while others flow, and are told', async () => {
    const { relay, transport, commit, clock, logger } = createBench({ partitionCount: 1 })
    transport.answer = refuseBad('POSTHORN_PUBLISH_TOO_LARGE')
    await commit([...entriesOf('bad', 3), ...entriesOf('good', 3)])
    await relay.start()
    await clock.advance(60_000)
    expect(ofBad(transport.sent)).toEqual(['bad-1', 'bad-1', 'bad-1', 'bad-1', 'bad-1'])
    expect(transport.confirmed).toEqual(['good-1', 'good-2', 'good-3'])
    expect(await relay.parkedKeys()).toMatchObject([
      { key: 'bad', messageId: 'bad-1', attempts: 5, failure: { code: 'POSTHORN_PUBLISH_TOO_LARGE' } },
    ])
    const parked = logger.records.filter(({ event }) => event === 'relay.parked')
    expect(parked).toMatchObject([{ level: 'error', key: 'bad', messageId: 'bad-1', attempts: 5 }])
    expect(relay.health()).toMatchObject({
      ready: true,
      parkedKeys: 1,
      reasons: [{ code: 'keysParked', what: '1 keys are parked' }],
      depth: 3,
    })
    expect(relay.health().counts).toMatchObject({ failed: 5, parked: 1, outages: 0 })
  })

  it('wait longer from one attempt to the next', async () => {
    const { relay, transport, commit, clock } = createBench()
    const times: number[] = []
    transport.answer = () => {
      times.push(clock.monotonic())
      return Promise.reject(refusal('POSTHORN_PUBLISH_NO_DESTINATION'))
    }
    await commit([entryOf('bad', 1)])
    await relay.start()
    await clock.advance(120_000)
    const waits = times.slice(1).map((time, index) => time - (times[index] ?? 0))
    expect(waits).toHaveLength(4)
    waits.forEach((wait, index) => expect(wait).toBeGreaterThanOrEqual(500 * 2 ** index))
  })

  it('are forgotten when an attempt succeeds, and the key goes on in order', async () => {
    const { relay, transport, commit, clock } = createBench()
    let refusals = 2
    transport.answer = (sending) =>
      (refusals -= 1) >= 0 ? Promise.reject(refusal('POSTHORN_PUBLISH_TOO_LARGE')) : confirmed(sending)
    await commit(entriesOf('a', 3))
    await relay.start()
    await clock.advance(20_000)
    expect(transport.confirmed).toEqual(['a-1', 'a-2', 'a-3'])
    expect(await relay.parkedKeys()).toEqual([])
  })

  it.each([
    ['retry', ['bad-1', 'bad-2']],
    ['skip', ['bad-2']],
    ['discard', []],
  ] as const)('are decided by an operator: %s', async (decision, published) => {
    const { relay, transport, commit, clock, store } = createBench({ maxAttempts: 1 })
    transport.answer = refuseBad('POSTHORN_PUBLISH_TOO_LARGE')
    await commit(entriesOf('bad', 2))
    await relay.start()
    await clock.advance(1_000)
    const [key] = await relay.parkedKeys()
    transport.answer = confirmed
    if (key === undefined) throw new Error('nothing is parked')
    expect(await relay.decide(key, decision)).not.toBe(false)
    await clock.advance(100)
    expect(transport.confirmed).toEqual(published)
    expect(relay.health()).toMatchObject({ parkedKeys: 0 })
    expect(await store.stats()).toMatchObject({ parkedKeys: 0, depth: 0 })
    expect(await relay.decide(key, decision)).toBe(false)
  })

  it('are tried again when the store could not be told', async () => {
    let refusals = 2
    const { relay, transport, commit, clock } = createBench({
      maxAttempts: 1,
      decorate: (store) => ({
        ...store,
        fail: (...args) => ((refusals -= 1) >= 0 ? Promise.reject(new Error('no')) : store.fail(...args)),
      }),
    })
    transport.answer = refuseBad('POSTHORN_PUBLISH_TOO_LARGE')
    await commit(entriesOf('bad', 2))
    await relay.start()
    await clock.advance(10_000)
    expect(transport.sent).toEqual(['bad-1', 'bad-1', 'bad-1'])
    expect(await relay.parkedKeys()).toHaveLength(1)
  })

  it('are what a send throws, too', async () => {
    const { relay, transport, commit, clock } = createBench({ maxAttempts: 1 })
    transport.answer = () => {
      throw new TypeError('of the adapter')
    }
    await commit(entriesOf('bad', 2))
    await relay.start()
    await clock.advance(1_000)
    expect(await relay.parkedKeys()).toMatchObject([{ failure: { code: 'TypeError', message: 'of the adapter' } }])
  })
})

describe('what nobody receives', () => {
  it('is done when it is an event, and counted', async () => {
    const { relay, transport, commit, clock } = createBench()
    transport.answer = () => Promise.resolve({ routed: false })
    await commit(entriesOf('a', 2))
    await relay.start()
    await clock.advance(100)
    expect(relay.health()).toMatchObject({ counts: { published: 2, unrouted: 2, removed: 2, failed: 0 } })
  })

  it.each(['a receipt', 'a rejection'])('parks when it is a command, told by %s', async (how) => {
    const { relay, transport, commit, clock } = createBench({ maxAttempts: 2 })
    transport.answer = ({ options }) =>
      how === 'a receipt'
        ? Promise.resolve({ routed: options.mustRoute !== true })
        : Promise.reject(refusal('POSTHORN_PUBLISH_UNROUTED'))
    await commit([entryOf('a', 1, { mustRoute: true }), entryOf('a', 2)])
    await relay.start()
    await clock.advance(10_000)
    expect(await relay.parkedKeys()).toMatchObject([{ key: 'a', failure: { code: 'POSTHORN_PUBLISH_UNROUTED' } }])
    expect(transport.sent).toEqual(['a-1', 'a-1'])
  })
})

describe('outages', () => {
  it.each([
    'POSTHORN_PUBLISH_REFUSED',
    'POSTHORN_PUBLISH_DEADLINE',
    'POSTHORN_PUBLISH_CONNECTION_LOST',
    'POSTHORN_AUTHENTICATION',
  ] as const)('are never counted, however long they last, and the key keeps its order: %s', async (code) => {
    const { relay, transport, commit, clock } = createBench({ partitionCount: 1, maxAttempts: 2 })
    transport.answer = refuseBad(code)
    await commit([...entriesOf('bad', 3), ...entriesOf('good', 3)])
    await relay.start()
    await clock.advance(120_000)
    expect(ofBad(transport.sent).length).toBeGreaterThan(10)
    expect(new Set(ofBad(transport.sent))).toEqual(new Set(['bad-1']))
    expect(transport.confirmed).toEqual(['good-1', 'good-2', 'good-3'])
    expect(relay.health()).toMatchObject({ waitingKeys: 1, parkedKeys: 0, counts: { failed: 0, parked: 0 } })
    transport.answer = confirmed
    await clock.advance(11_000)
    expect(ofBad(transport.confirmed)).toEqual(['bad-1', 'bad-2', 'bad-3'])
    expect(relay.health()).toMatchObject({ waitingKeys: 0, held: 0 })
  })

  it('hold up only the keys that they concern, though these are more than may be in memory', async () => {
    const { relay, transport, commit, clock } = createBench({ maxInFlight: 20 })
    transport.answer = refuseFull
    await commit(Array.from({ length: 60 }, (_, n) => entryOf(`bad${n}`, 1, { destination: 'full' })))
    await relay.start()
    await clock.advance(5_000)
    await commit(Array.from({ length: 60 }, (_, n) => entryOf(`good${n}`, 1)))
    await clock.advance(1_000)
    expect(transport.confirmed).toHaveLength(60)
  })

  it('hold nothing of the keys that wait, so that neither places nor bytes run out, and end in order for all of them', async () => {
    const { relay, transport, commit, clock } = createBench({ maxInFlight: 20, maxInFlightBytes: 2_000 })
    transport.answer = refuseFull
    const body = Buffer.alloc(100)
    const large = (n: number): NewEntry[] =>
      entriesOf(`bad${n}`, 2).map((entry) => ({
        ...entry,
        destination: 'full',
        message: { ...entry.message, body },
      }))
    await commit(Array.from({ length: 300 }, (_, n) => large(n)).flat())
    await relay.start()
    await clock.advance(60_000)
    expect(relay.health()).toMatchObject({ ready: true, waitingKeys: 300, held: 0 })
    await commit(Array.from({ length: 60 }, (_, n) => entryOf(`good${n}`, 1)))
    await clock.advance(1_000)
    expect(transport.confirmed).toHaveLength(60)
    transport.answer = confirmed
    // Not each key has to wait until it is due: those that are taken bring the others.
    await clock.advance(5_000)
    expect(transport.confirmed).toHaveLength(660)
    for (let n = 0; n < 300; n += 1) {
      expect(transport.confirmed.filter((id) => id.startsWith(`bad${n}-`))).toEqual([`bad${n}-1`, `bad${n}-2`])
    }
    expect(relay.health()).toMatchObject({ waitingKeys: 0, held: 0, counts: { removed: 660 } })
  })

  it('of more keys than a relay leaves out of its reads end its readiness, and are tried no more often for that', async () => {
    const { relay, transport, commit, clock } = createBench({ maxInFlight: 20 })
    transport.answer = refuseFull
    await commit(Array.from({ length: 3_000 }, (_, n) => entryOf(`bad${n}`, 1, { destination: 'full' })))
    await relay.start()
    await clock.advance(60_000)
    expect(relay.health()).toMatchObject({ ready: false, live: true, reasons: [{ code: 'keysWaiting' }] })
    expect(relay.health().waitingKeys).toBeLessThanOrEqual(1_000)
    const before = transport.sent.length
    await clock.advance(60_000)
    expect(transport.sent.length - before).toBeLessThan(60 * 300)
    transport.answer = confirmed
    await clock.advance(30_000)
    expect(transport.confirmed).toHaveLength(3_000)
    expect(relay.health()).toMatchObject({ ready: true, reasons: [], waitingKeys: 0 })
  })

  it('stop reading and sending while the transport is not ready, and go on when it is', async () => {
    const { relay, transport, commit, clock, logger } = createBench()
    await relay.start()
    await clock.advance(10)
    transport.state = 'connecting'
    transport.answer = () => Promise.reject(refusal('POSTHORN_PUBLISH_TOO_LARGE'))
    await commit(entriesOf('a', 3))
    await clock.advance(10)
    const { reads } = relay.health().counts
    await clock.advance(60_000)
    expect(relay.health().counts.reads).toBe(reads)
    expect(relay.health()).toMatchObject({ ready: false, live: true, reasons: [{ code: 'connecting' }] })
    transport.answer = confirmed
    transport.state = undefined
    await clock.advance(1_000)
    expect(transport.confirmed).toEqual(['a-1', 'a-2', 'a-3'])
    const told = logger.records.map(({ event }) => event)
    expect(told.filter((event) => event === 'relay.paused' || event === 'relay.resumed')).toEqual([
      'relay.paused',
      'relay.resumed',
    ])
  })

  it('are what fails while the transport is away, whatever it says', async () => {
    const { relay, transport, commit, clock } = createBench({ maxAttempts: 1 })
    transport.answer = () => {
      transport.state = 'connecting'
      return Promise.reject(refusal('POSTHORN_PUBLISH_FAILED'))
    }
    await commit(entriesOf('a', 1))
    await relay.start()
    await clock.advance(1_000)
    expect(relay.health().counts).toMatchObject({ outages: 1, failed: 0 })
  })
})

describe('the table of failures', () => {
  it('decides on every code that sending can have', () => {
    const classes = ['PublishError', 'ConnectionError', 'TopologyError']
    const codes = Object.entries(errorCodes).filter(([, facts]) => classes.includes(facts.class))
    expect(codes.map(([code]) => code).filter((code) => !(code in failureKinds))).toEqual([])
  })

  it('takes what it does not know for the entry’s own', () => {
    expect(isOwnFailure(new Error('unknown'))).toBe(true)
    expect(isOwnFailure(undefined)).toBe(true)
    expect(isOwnFailure(refusal('POSTHORN_PUBLISH_REFUSED', false))).toBe(true)
    expect(isOwnFailure(refusal('POSTHORN_PUBLISH_REFUSED'))).toBe(false)
  })
})
