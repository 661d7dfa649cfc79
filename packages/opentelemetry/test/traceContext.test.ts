import { createContextKey, propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { describe, expect, test } from 'vitest'
import { ActiveSpanContext } from '../src/activeSpanContext.js'
import { extract, parse } from '../src/traceContext.js'
import { registerContexts, unregisterContexts } from './sdk.js'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const spanId = 'b7ad6b7169203331'
const hop = { traceId, spanId, isRemote: true }

describe('a traceparent', () => {
  test.each([
    [`00-${traceId}-${spanId}-01`, 1],
    [`00-${traceId}-${spanId}-00`, 0],
    [`00-${traceId}-${spanId}-03`, 1],
    [`00-${traceId}-${spanId}-11`, 1],
    [`00-${traceId}-${spanId}-fe`, 0],
    [`01-${traceId}-${spanId}-01`, 1],
    [`01-${traceId}-${spanId}-01-what a later version says`, 1],
  ])('%s is read', (traceparent, traceFlags) => {
    expect(parse(traceparent)).toEqual({ ...hop, traceFlags })
  })

  test.each([
    `00-${traceId}-${spanId}-01-more`,
    `00-${traceId}-${spanId}-0g`,
    `00-${traceId}-${spanId}-02 `,
    `00_${traceId}-${spanId}-01`,
    `00-${traceId}_${spanId}-01`,
    `00-${traceId}-${spanId}_01`,
    `00-${traceId.slice(1)}-${spanId}0-01`,
    `00-${traceId.replace('a', 'A')}-${spanId}-01`,
    `00-${traceId.replace('a', '/')}-${spanId}-01`,
    `00-${traceId.replace('a', ':')}-${spanId}-01`,
    `00-${traceId.replace('a', '\u0130')}-${spanId}-01`,
    `00-${traceId}-${spanId.replace('b', 'B')}-01`,
    `00-${'0'.repeat(32)}-${spanId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `ff-${traceId}-${spanId}-01`,
    undefined,
  ])('%s is not', (traceparent) => {
    expect(parse(traceparent)).toBeUndefined()
  })

  test.each(['baggage', 'Baggage', 'BAGGAGE'])('does not hide the %s beside it', (name) => {
    registerContexts()
    const carried = extract({ traceparent: `00-${traceId}-${spanId}-01`, [name]: 'tenant=7' })
    unregisterContexts()
    expect(carried.hop).toEqual({ ...hop, traceFlags: 1 })
    expect(propagation.getBaggage(carried.base)?.getEntry('tenant')?.value).toBe('7')
  })

  test.each(['tracestate', 'TraceState'])('does not hide the %s beside it', (name) => {
    registerContexts()
    const carried = extract({ traceparent: `00-${traceId}-${spanId}-01`, [name]: 'vendor=a' })
    unregisterContexts()
    expect(carried.hop?.traceState?.get('vendor')).toBe('a')
  })
})

describe('the context of a span', () => {
  const span = trace.wrapSpanContext({ traceId, spanId, traceFlags: 1 })
  const [own, parents] = [createContextKey('own'), createContextKey('of the parent')]
  const active = new ActiveSpanContext(ROOT_CONTEXT.setValue(parents, 1), span)

  test('has the span, and what its parent has', () => {
    expect(trace.getSpan(active)).toBe(span)
    expect(active.getValue(parents)).toBe(1)
    expect(active.getValue(own)).toBeUndefined()
  })

  test('is not changed by what is set and deleted on top of it', () => {
    const above = active.setValue(own, 2)
    expect([above.getValue(own), above.getValue(parents), trace.getSpan(above)]).toEqual([2, 1, span])
    expect(trace.getSpan(trace.deleteSpan(active))).toBeUndefined()
    expect(active.deleteValue(parents).getValue(parents)).toBeUndefined()
    expect([active.getValue(own), active.getValue(parents), trace.getSpan(active)]).toEqual([undefined, 1, span])
  })
})
