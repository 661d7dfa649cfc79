import type { Sample } from './measure.js'

/** Begins to measure when so many were confirmed, and is done after so many more. */
export function stopwatch(
  before: number,
  count: number,
): { tick: () => void; done: Promise<void>; read: () => Sample } {
  let confirmed = 0
  let [start, cpu] = [performance.now(), process.cpuUsage()]
  let end!: () => void
  const done = new Promise<void>((resolve) => (end = resolve))
  return {
    done,
    tick() {
      confirmed += 1
      if (confirmed === before) [start, cpu] = [performance.now(), process.cpuUsage()]
      if (confirmed === before + count) end()
    },
    read() {
      const elapsedMs = performance.now() - start
      const { user, system } = process.cpuUsage(cpu)
      return { rate: (count / elapsedMs) * 1000, cpuMicros: (user + system) / count }
    },
  }
}
