import { createService, on, silentLogger } from '@posthorn/core'
import type { Service } from '@posthorn/core'
import { afterEach, describe, expect, it } from 'vitest'
import { createRabbitMq } from '../src/index.js'
import { brokerUrl, eventually, removeAll, uniqueDestination } from './broker.js'
import { childContract } from './support/consumerProcess.js'

const delaysMs = [1_000, 5_000]
/** Each fails twice: two thousand retries a second. */
const messagesPerSecond = 1_000
/** More shows more of a tail; the figures in the docs are of 15 seconds. */
const seconds = Number(process.env['POSTHORN_LADDER_SECONDS'] ?? '4')
let service: Service | undefined
let destination = ''

afterEach(async () => {
  await service?.stop()
  await removeAll([destination], 'billing', delaysMs)
})

/** For each delay, how much later than asked attempts came, ascending. */
interface Run {
  readonly latenessMs: Map<number, number[]>
  readonly handled: Set<string>
  readonly attemptsOutOfOrder: number
}

async function runLadder(): Promise<Run & { readonly count: number; readonly tookMs: number }> {
  destination = uniqueDestination()
  const contract = childContract(destination)
  const latenessMs = new Map(delaysMs.map((delayMs) => [delayMs, [] as number[]]))
  const failedAt = new Map<string, number>()
  const attempts = new Map<string, number>()
  const run = { latenessMs, handled: new Set<string>(), attemptsOutOfOrder: 0 }
  service = createService({ source: '/test', transport: createRabbitMq({ urls: [brokerUrl()] }), logger: silentLogger })
  service.consume('billing', {
    handlers: [
      on(contract, ({ envelope: { id } }, { attempt }) => {
        if (attempt !== (attempts.get(id) ?? 0) + 1) run.attemptsOutOfOrder += 1
        attempts.set(id, attempt)
        const delayMs = delaysMs[attempt - 2]
        if (delayMs !== undefined) latenessMs.get(delayMs)?.push(performance.now() - (failedAt.get(id) ?? 0) - delayMs)
        if (attempt > delaysMs.length) return void run.handled.add(id)
        failedAt.set(id, performance.now())
        throw new Error('not yet')
      }),
    ],
    retry: { delaysMs },
    maxInFlight: 1_000,
  })
  await service.start()
  const count = messagesPerSecond * seconds
  const publishes: Promise<unknown>[] = []
  const startedAt = performance.now()
  while (publishes.length < count) {
    const due = Math.min(count, Math.ceil(((performance.now() - startedAt) / 1_000) * messagesPerSecond))
    while (publishes.length < due)
      publishes.push(service.publish(contract, { kind: 'x' }, { id: `m-${publishes.length}` }))
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  await Promise.all(publishes)
  const tookMs = performance.now() - startedAt
  await eventually(() => run.handled.size === count, 120_000)
  for (const list of latenessMs.values()) list.sort((left, right) => left - right)
  return { ...run, count, tookMs }
}

const quantile = (sorted: readonly number[], share: number): number =>
  Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN)

describe('the ladder at two thousand retries a second', () => {
  it('loses none, lets none come early, and counts every attempt once', { timeout: 240_000 }, async () => {
    const { latenessMs, handled, attemptsOutOfOrder, count, tookMs } = await runLadder()
    for (const [delayMs, list] of latenessMs) {
      const [p50, p99, max] = [0.5, 0.99, 1].map((share) => quantile(list, share))
      const rate = Math.round((count / tookMs) * 1_000)
      console.log(`${delayMs} ms at ${rate} messages a second: p50 ${p50} ms late, p99 ${p99} ms, most ${max} ms`)
      expect(list).toHaveLength(count)
      // The clocks of two timers, rounded to milliseconds.
      expect(list[0]).toBeGreaterThan(-5)
    }
    expect(handled.size).toBe(count)
    expect(attemptsOutOfOrder).toBe(0)
  })
})
