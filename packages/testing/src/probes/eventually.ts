import { defaultTimeoutMs, ProbeTimeoutError } from './probe.js'
import type { WaitOptions } from './probe.js'

const firstPauseMs = 2
const maxPauseMs = 50

/**
 * Resolves with the first value of `read` that `accepts` takes; rejects with a `ProbeTimeoutError` that shows the last
 * value. For states that nobody announces (health, counts): what is announced belongs into a probe.
 */
export async function eventually<Value>(
  read: () => Value | Promise<Value>,
  accepts: (value: Value) => boolean,
  options: WaitOptions & { readonly what?: string } = {},
): Promise<Value> {
  const timeoutMs = options.timeoutMs ?? defaultTimeoutMs
  const end = performance.now() + timeoutMs
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, maxPauseMs)) {
    const value = await read()
    if (accepts(value)) return value
    if (performance.now() >= end) {
      const message = `Waited ${timeoutMs} ms for ${options.what ?? 'a condition'}; the last value was ${show(value)}`
      throw new ProbeTimeoutError(message, [value])
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}

function show(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    return String(value)
  }
}
