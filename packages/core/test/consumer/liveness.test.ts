import { expect, it } from 'vitest'
import { deadLetter, discard, on, onBatch, PublishError, retryAfter } from '../../src/index.js'
import type { ConsumerOptions, HandlerResult } from '../../src/index.js'
import { createGate, never } from '../fakeTransport.js'
import type { Gate } from '../fakeTransport.js'
import { orderPaid, orderPlaced, startConsumer } from '../fixtures.js'
import { seededRandom } from '../../../../test/seededRandom.js'
import type { Running } from '../fixtures.js'

/*
 * One random consumer life per seed, as in settledOnce.test.ts, but nobody stops it: handlers fail and hang, the broker
 * refuses and swallows copies, keys are held above their bound, the consumer pauses. Then everything heals. Whatever
 * went before, every message comes to an end, nothing is held or stuck, and all slots and keys are free again.
 */
type Random = () => number

const pick = <T>(random: Random, ...choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!

interface World {
  readonly random: Random
  healed: boolean
  /** Handlers that hang until everything heals. */
  readonly hanging: Gate[]
  /** After that: calls that are to be seen all at once. */
  readonly gathering: Gate[]
  gather: boolean
}

async function handleOne(world: World, running: () => Running): Promise<HandlerResult> {
  const { random } = world
  if (world.gather) {
    const gate = createGate()
    world.gathering.push(gate)
    return gate.promise
  }
  if (world.healed) return undefined
  const outcome = pick(random, 'ok', 'ok', 'ok', 'throw', 'throw', 'hint', 'discard', 'aside', 'wrong', 'hang', 'late')
  if (random() < 0.5) await new Promise<void>((resolve) => void running().clock.schedule(random() * 900, resolve))
  if ((outcome === 'hang' || outcome === 'late') && !world.healed) {
    const gate = createGate()
    world.hanging.push(gate)
    await gate.promise
    if (outcome === 'late') throw new Error('late')
  }
  if (outcome === 'throw') throw new Error('no')
  if (outcome === 'wrong') return 42 as never
  if (outcome === 'hint') return retryAfter(Math.floor(random() * 4_000))
  if (outcome === 'aside') return deadLetter('odd')
  return outcome === 'discard' ? discard('old') : undefined
}

function optionsOf(world: World, running: () => Running): ConsumerOptions {
  const { random } = world
  const onRetry = pick(random, 'holdKey', 'holdKey', 'overtake')
  const order = { by: 'partitionKey', onRetry, maxHeldKeys: pick(random, 1, 1, 3, 100) } as const
  const single = on(orderPlaced, () => handleOne(world, running))
  const batch = onBatch(
    orderPlaced,
    async (items) => {
      if (random() < 0.1 && !world.healed) throw new Error('all of them')
      return Promise.all(items.map(() => handleOne(world, running)))
    },
    { maxCount: pick(random, 1, 2, 5), maxWaitMs: pick(random, 0, 50, 400) },
  )
  return {
    handlers: [random() < 0.4 ? batch : single],
    retry: { delaysMs: pick(random, [], [0], [0, 0, 0], [1_000], [0, 500, 2_000]), maxRetryAfterMs: 5_000 },
    concurrency: pick(random, 1, 2, 4),
    handlerTimeoutMs: pick(random, 300, 60_000),
    ...(random() < 0.7 ? { order } : {}),
  }
}

/** A broker that refuses and swallows copies until it heals, and gives those of rungs back when their delay is over. */
function playBroker({ transport, clock }: Running, world: World): void {
  const { random } = world
  transport.answer = async (sent) => {
    if (!world.healed) {
      const fate = random()
      if (fate < 0.05) return never()
      if (fate < 0.3) await new Promise<void>((resolve) => void clock.schedule(random() * 800, resolve))
      if (fate < 0.2) throw new PublishError({ code: 'POSTHORN_PUBLISH_REFUSED', outcome: 'notSent', message: 'full' })
      if (fate > 0.95) return { routed: false }
    }
    if ('retry' in sent.target) clock.schedule(sent.target.retry.delayMs, () => void transport.redeliver(sent))
    return { routed: true }
  }
}

async function disturb(running: Running, { random }: World): Promise<void> {
  const { clock, consumer } = running
  for (let index = 0; index < 40; index += 1) {
    const key = random() < 0.85 ? `k${Math.floor(random() * 6)}` : undefined
    const kind = random()
    running.order(`m${index}`, {
      ...(kind < 0.05 ? { contract: orderPaid } : {}),
      attributes: {
        ...(key === undefined ? {} : { partitionkey: key }),
        ...(kind > 0.95 ? { expirytime: new Date(clock.now() + 1_500).toISOString() } : {}),
        ...(kind > 0.9 && kind < 0.93 ? { time: 'nonsense' } : {}),
      },
      ...(key !== undefined && random() < 0.5 ? { key } : {}),
      headers: kind > 0.85 ? { 'posthorn-not-before': String(clock.now() + Math.floor(random() * 6_000)) } : {},
    })
    if (random() < 0.3) await clock.advance(Math.floor(random() * 400))
    if (random() < 0.1) consumer.pause()
    if (random() < 0.2) consumer.resume()
  }
  await clock.advance(Math.floor(random() * 3_000))
}

/** As many calls at once as there are slots, one for every key that was in use: none is taken any more. */
async function freeSlots(running: Running, world: World, options: ConsumerOptions): Promise<number> {
  world.gather = true
  const batch = (options.handlers as readonly { batch?: { maxCount: number } }[])[0]!.batch?.maxCount ?? 1
  const wanted = options.concurrency! * batch
  for (let index = 0; index < wanted; index += 1) running.order(`after-${index}`, { key: `k${index}` })
  await running.clock.advance(500)
  const started = world.gathering.length
  for (const gate of world.gathering) gate.open()
  world.gather = false
  await running.clock.advance(500)
  return started === wanted ? options.concurrency! : started / batch
}

async function live(seed: number): Promise<readonly string[]> {
  const random = seededRandom(seed)
  const world: World = { random, healed: false, hanging: [], gathering: [], gather: false }
  let running: Running
  const options = optionsOf(world, () => running)
  running = await startConsumer(options)
  playBroker(running, world)
  await disturb(running, world)
  const { transport, clock, consumer } = running

  world.healed = true
  consumer.resume()
  for (const gate of world.hanging) gate.open()
  await clock.advance(120_000) // A swallowed copy is given up after 31 s, and sent again after a pause of up to 15 s.

  const problems: string[] = []
  const unsettled = transport.deliveries.filter(({ ends }) => ends.length !== 1 || ends[0] !== 'complete')
  for (const { id, ends } of unsettled) problems.push(`${id}: ${ends.join() || 'never settled'}`)
  const { inFlight, running: calls, held, stuck } = consumer.health()
  if (inFlight + calls + held + stuck > 0) problems.push(JSON.stringify({ inFlight, calls, held, stuck }))
  const slots = await freeSlots(running, world, options)
  if (slots !== options.concurrency) problems.push(`${slots} of ${options.concurrency} slots are free`)
  if (consumer.health().inFlight > 0) problems.push('a message after the heal is not settled')
  return problems
}

const firstSeed = Number(process.env['POSTHORN_SEED'] ?? 1)
const seeds = process.env['POSTHORN_SEED'] === undefined ? 40 : 1

it('brings every message to an end and frees every slot and key once everything heals, whatever went before', async () => {
  const failures: { seed: number; problems: readonly string[] }[] = []
  for (let seed = firstSeed; seed < firstSeed + seeds; seed += 1) {
    const problems = await live(seed)
    if (problems.length > 0) failures.push({ seed, problems: problems.slice(0, 5) })
  }
  expect(failures).toEqual([])
}, 120_000)
