import { createRequire } from 'node:module'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { quietQueue } from '../../../src/driver/kafkajs/quietQueue.js'

interface Queue {
  readonly pending: readonly unknown[]
  throttledUntil: number
  push(request: object): void
  maybeThrottle(ms: number): void
  fulfillRequest(answer: object): void
  destroy(): void
}

const RequestQueue = createRequire(import.meta.url)('kafkajs/src/network/requestQueue') as new (
  options: object,
) => Queue
const silent = { debug() {}, warn() {}, info() {}, error() {}, namespace: () => silent }

function createQueue(maxInFlightRequests: number | null = null): Queue {
  return new RequestQueue({ logger: silent, requestTimeout: 1_000, clientId: 'c', broker: 'b', maxInFlightRequests })
}

function request(sent: number[], correlationId: number): object {
  const entry = { correlationId, resolve() {}, reject() {} }
  return { entry, expectResponse: true, sendRequest: () => sent.push(correlationId) }
}

describe('the request queue of kafkajs', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('by itself arms a timer for ever after the first answer', () => {
    const queue = createQueue()
    queue.push(request([], 1))
    queue.fulfillRequest({ correlationId: 1, payload: Buffer.alloc(0), size: 0 })
    vi.advanceTimersByTime(10_000)
    expect(vi.getTimerCount()).toBe(1)
    queue.destroy()
  })

  it('arms none while nothing waits, once it is quiet', () => {
    const queue = createQueue()
    expect(quietQueue(queue)).toBe(true)
    const sent: number[] = []
    queue.push(request(sent, 1))
    queue.fulfillRequest({ correlationId: 1, payload: Buffer.alloc(0), size: 0 })
    expect([sent, vi.getTimerCount()]).toEqual([[1], 0])
  })

  it('still sends what waits: after an answer, and after a broker asked to slow down', () => {
    const queue = createQueue(1)
    quietQueue(queue)
    const sent: number[] = []
    queue.push(request(sent, 1))
    queue.push(request(sent, 2))
    expect(sent).toEqual([1])
    queue.fulfillRequest({ correlationId: 1, payload: Buffer.alloc(0), size: 0 })
    expect(sent).toEqual([1, 2])
    queue.fulfillRequest({ correlationId: 2, payload: Buffer.alloc(0), size: 0 })
    queue.maybeThrottle(500)
    queue.push(request(sent, 3))
    vi.advanceTimersByTime(490)
    expect(sent).toEqual([1, 2])
    vi.advanceTimersByTime(50)
    expect(sent).toEqual([1, 2, 3])
    queue.fulfillRequest({ correlationId: 3, payload: Buffer.alloc(0), size: 0 })
    vi.advanceTimersByTime(50)
    expect(vi.getTimerCount()).toBe(0)
  })

  it.each([undefined, null, {}, { pending: [] }, { pending: [], throttledUntil: -1, throttleCheckTimeoutId: null }])(
    'is left as it is when it looks different: %o',
    (other) => {
      const before = JSON.stringify(other)
      expect(quietQueue(other)).toBe(false)
      expect(JSON.stringify(other)).toBe(before)
    },
  )
})
