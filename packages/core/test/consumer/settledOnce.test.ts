import { expect, it } from 'vitest'
import { deadLetter, discard, NonRetryableError, on, onBatch, PublishError, retryAfter } from '../../src/index.js'
import type { ConsumerOptions, HandlerResult } from '../../src/index.js'
import { orderPaid, orderPlaced, startConsumer } from '../fixtures.js'
import { seededRandom } from '../../../../test/seededRandom.js'
import { never } from '../fakeTransport.js'

/*
 * One random consumer life per seed: random options, outcomes, send failures, and a stop at a random time. Whatever
 * happens, every delivery is settled exactly once, and completed only after a good end that can be named.
 */
interface Life {
  readonly seed: number
  readonly good: Set<string>
  readonly log: string[]
  readonly problems: string[]
}

const pick = <T>(random: () => number, ...choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!

function outcomeOf(
  random: () => number,
): 'ok' | 'throw' | 'hopeless' | 'hint' | 'discard' | 'aside' | 'wrong' | 'hang' {
  return pick(random, 'ok', 'ok', 'ok', 'ok', 'throw', 'throw', 'hopeless', 'hint', 'discard', 'aside', 'wrong', 'hang')
}

async function live(seed: number): Promise<Life> {
  const random = seededRandom(seed)
  const good = new Set<string>()
  const problems: string[] = []
  const active = new Map<string, number>()
  const concurrency = 1 + Math.floor(random() * 4)
  const ordered = random() < 0.6
  const batched = random() < 0.4
  let calls = 0
  const retry = { delaysMs: pick(random, [], [0], [0, 1_000], [1_000, 2_000], [0, 500, 500]), maxRetryAfterMs: 5_000 }
  let clockOf: { schedule(ms: number, action: () => void): unknown }

  async function handleOne(id: string, key: string | undefined): Promise<HandlerResult> {
    const outcome = outcomeOf(random)
    if (ordered && key !== undefined) {
      const now = (active.get(key) ?? 0) + 1
      active.set(key, now)
      if (now > 1) problems.push(`two of key ${key} at once`)
    }
    try {
      const delay = random() < 0.5 ? 0 : Math.floor(random() * 800)
      if (outcome === 'hang' && random() < 0.3) return await new Promise<never>(() => {})
      if (delay > 0) await new Promise<void>((resolve) => void clockOf.schedule(delay, resolve))
      if (outcome === 'throw') throw new Error('no')
      if (outcome === 'hopeless') throw new NonRetryableError('never')
      if (outcome === 'wrong') return 42 as never
      if (outcome === 'hint') return retryAfter(Math.floor(random() * 4_000))
      if (outcome === 'aside') return deadLetter('odd')
      good.add(id)
      return outcome === 'discard' ? discard('old') : undefined
    } finally {
      if (ordered && key !== undefined) active.set(key, active.get(key)! - 1)
    }
  }

  async function counted<T>(call: () => Promise<T>): Promise<T> {
    calls += 1
    if (calls > concurrency) problems.push(`${calls} calls at once, allowed ${concurrency}`)
    try {
      return await call()
    } finally {
      calls -= 1
    }
  }

  const handlers = batched
    ? [
        onBatch(
          orderPlaced,
          (items) =>
            counted(async () => {
              const results = items.map(({ envelope }) => handleOne(envelope.id, envelope.partitionkey))
              const settled = await Promise.allSettled(results)
              if (settled.some(({ status }) => status === 'rejected')) {
                for (const { envelope } of items) good.delete(envelope.id)
                throw new Error('one failed')
              }
              return settled.map((result) => (result as PromiseFulfilledResult<HandlerResult>).value)
            }),
          { maxCount: 3, maxWaitMs: 50 },
        ),
      ]
    : [on(orderPlaced, ({ envelope }) => counted(() => handleOne(envelope.id, envelope.partitionkey)))]
  const options: ConsumerOptions = {
    handlers,
    retry,
    concurrency,
    handlerTimeoutMs: 2_000,
    ...(ordered
      ? { order: { by: 'partitionKey', onRetry: pick(random, 'holdKey', 'overtake'), maxHeldKeys: 1 } as const }
      : {}),
  }
  const running = await startConsumer(options)
  clockOf = running.clock
  const { transport, clock } = running
  transport.onEnd = (id, end) => {
    if (end === 'complete' && !good.has(id)) problems.push(`${id} was completed without a reason`)
  }
  transport.answer = async (sent) => {
    if (random() < 0.02) return never()
    if (random() < 0.3) await new Promise<void>((resolve) => void clock.schedule(random() * 500, resolve))
    if (random() < 0.25) {
      throw new PublishError({ code: 'POSTHORN_PUBLISH_REFUSED', outcome: 'notSent', message: 'full' })
    }
    if (random() < 0.1) return { routed: false }
    good.add(sent.message.id)
    return { routed: true }
  }
  const total = 60
  for (let index = 0; index < total; index += 1) {
    const id = `m${index}`
    const key = random() < 0.8 ? `k${Math.floor(random() * 10)}` : undefined
    const kind = random()
    if (kind < 0.1) good.add(id)
    const byBroker = random() < 0.5
    running.order(id, {
      ...(kind < 0.1 ? { contract: orderPaid } : {}),
      attributes: {
        ...(key === undefined ? {} : { partitionkey: key }),
        ...(kind > 0.95 ? { expirytime: new Date(clock.now() + 300).toISOString() } : {}),
      },
      ...(byBroker && key !== undefined ? { key } : {}),
      headers: kind > 0.85 ? { 'posthorn-not-before': String(clock.now() + Math.floor(random() * 3_000)) } : {},
    })
    if (random() < 0.3) await clock.advance(Math.floor(random() * 300))
    if (random() < 0.05) running.consumer.pause()
    if (random() < 0.2) running.consumer.resume()
  }
  running.consumer.resume()
  await clock.advance(Math.floor(random() * pick(random, 0, 1_000, 20_000)))
  const stopped = running.service.stop({ deadlineMs: pick(random, 1, 50, 500, 5_000) })
  await clock.advance(6_000)
  await stopped
  await clock.advance(120_000)
  for (const { id, ends } of transport.deliveries) {
    if (ends.length !== 1) problems.push(`${id} was settled ${ends.length} times`)
  }
  const health = running.consumer.health()
  if (health.running < 0) problems.push(`${health.running} running after the stop`)
  if (health.inFlight !== 0) problems.push(`${health.inFlight} in flight after the stop`)
  return { seed, good, log: transport.log, problems }
}

const firstSeed = Number(process.env['POSTHORN_SEED'] ?? 1)
const seeds = process.env['POSTHORN_SEED'] === undefined ? 60 : 1

it('settles every delivery exactly once, and completes none without a reason, whatever happens', async () => {
  const failures: { seed: number; problems: readonly string[] }[] = []
  for (let seed = firstSeed; seed < firstSeed + seeds; seed += 1) {
    const { problems } = await live(seed)
    if (problems.length > 0) failures.push({ seed, problems: [...new Set(problems)].slice(0, 5) })
  }
  expect(failures).toEqual([])
}, 120_000)
