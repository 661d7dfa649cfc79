import { createMemory } from '@posthorn/memory'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { expectCorrelation, expectMetrics, expectNoData, expectSpans, only } from './expectConventions.js'
import { seeOneOrder } from './oneOrder.js'
import { idOf, linkedIds, parentIdOf, registerContexts, unregisterContexts } from './sdk.js'

beforeAll(registerContexts)
afterAll(unregisterContexts)

describe('one order on memory', () => {
  test('names, kinds and attributes are those of the conventions', async () => {
    const seen = await seeOneOrder(createMemory(), 'orders')
    expectSpans(seen, 'memory', { destination: 'orders' })
    expectCorrelation(seen)
    await expectMetrics(seen, 'memory', { destination: 'orders' })
    await expectNoData(seen.sdk)
  })

  test('as parent, the sender and the handler are in one trace', async () => {
    const seen = await seeOneOrder(createMemory(), 'orders', { correlation: 'parent' })
    const process = only(seen.sdk, 'process')
    expect(parentIdOf(process)).toBe(idOf(only(seen.sdk, 'send')))
    expect(process.spanContext().traceId).toBe(seen.origin.spanContext().traceId)
    expect(parentIdOf(only(seen.sdk, 'settle'))).toBe(idOf(process))
  })

  test('spans that nobody wants are not made, and nothing loses its connection', async () => {
    const seen = await seeOneOrder(createMemory(), 'orders', { spans: ['process', 'settle'] })
    expect(seen.sdk.spans('send').concat(seen.sdk.spans('receive'))).toEqual([])
    expect(linkedIds(only(seen.sdk, 'process'))).toEqual([idOf(seen.origin)])
    expect(await seen.sdk.points('messaging.client.sent.messages')).toHaveLength(1)
  })
})
