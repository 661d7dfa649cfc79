import { expect, it } from 'vitest'
import type { Envelope } from '@posthorn/contracts'
import { traceIdOf, traceIdsOf } from '../../src/logs/traceIds.js'

const trace = '0af7651916cd43dd8448eb211c80319c'
const span = 'b7ad6b7169203331'
const origin = `00-${trace}-${span}-01`
const envelope = (traceparent?: unknown): Envelope => ({ traceparent }) as unknown as Envelope

it('a traceparent has a trace and a span', () => {
  expect(traceIdsOf(origin)).toEqual({ traceId: trace, spanId: span })
  expect(traceIdsOf(`cc-${trace}-${span}-01-what-comes-later`)).toEqual({ traceId: trace, spanId: span })
})

it.each([
  undefined,
  null,
  4711,
  '',
  `ff-${trace}-${span}-01`,
  `00-${'0'.repeat(32)}-${span}-01`,
  `00-${trace}-${'0'.repeat(16)}-01`,
  origin.toUpperCase(),
  `00-${trace}-${span}`,
  `x${origin}`,
  `${origin}x`,
  `${origin}-${'x'.repeat(1_000_000)}`,
])('%# is none', (value) => {
  expect(traceIdsOf(value)).toBeUndefined()
})

it('a message is named by the trace of its origin, else by that of its hop', () => {
  const hop = { traceparent: `00-${'1'.repeat(32)}-${span}-01` }
  expect(traceIdOf(envelope(origin), hop)).toBe(trace)
  expect(traceIdOf(envelope('damaged'), hop)).toBe('1'.repeat(32))
  expect(traceIdOf(undefined, hop)).toBe('1'.repeat(32))
  expect(traceIdOf(envelope(), {})).toBeUndefined()
})
