import { on, retryAfter } from '../src/index.js'
import type { ConsumerOptions, HandlerContext } from '../src/index.js'
import { orderPlaced } from './fixtures.js'
import type { Running } from './fixtures.js'

export const fails = (options: Partial<ConsumerOptions> = {}, seen: HandlerContext[] = []): ConsumerOptions => ({
  handlers: [
    on(orderPlaced, (_message, context) => {
      seen.push(context)
      throw new Error('no')
    }),
  ],
  ...options,
})

/** Fails with a hint. */
export const asks = (
  ms: number,
  retry: ConsumerOptions['retry'],
  more: Partial<ConsumerOptions> = {},
): ConsumerOptions => ({
  handlers: [on(orderPlaced, () => retryAfter(ms))],
  retry: { ...retry },
  ...more,
})

/** Plays the broker: gives each retry copy back when its delay is over, until nothing is left. */
export async function climb(running: Running, limit = 50): Promise<number[]> {
  const { transport, clock, settle } = running
  const delays: number[] = []
  let given = 0
  for (let round = 0; round < limit; round += 1) {
    await settle()
    const next = transport.sentTo('retry')[given]
    if (next === undefined) return delays
    given += 1
    const { delayMs } = (next.target as { retry: { delayMs: number } }).retry
    delays.push(delayMs)
    await clock.advance(delayMs)
    transport.redeliver(next)
  }
  throw new Error('the ladder does not end')
}
