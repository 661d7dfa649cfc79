import type { Sample } from './measure.js'

/** Consumes, and calls `onMessage` for each message; resolves with what ends it. */
export type Consume = (onMessage: () => void) => Promise<() => Promise<void>>

/** Measures from the moment when `before` messages are handled until `count` more are. */
export async function measureConsumption(consume: Consume, count: number, before: number): Promise<Sample> {
  let handled = 0
  let cpu = process.cpuUsage()
  let start = performance.now()
  let done = (): void => {}
  const all = new Promise<void>((resolve) => (done = resolve))
  const end = await consume(() => {
    handled += 1
    if (handled === before) {
      cpu = process.cpuUsage()
      start = performance.now()
    } else if (handled === before + count) done()
  })
  await all
  const elapsedMs = performance.now() - start
  const { user, system } = process.cpuUsage(cpu)
  await end()
  return { rate: (count / elapsedMs) * 1000, cpuMicros: (user + system) / count }
}
