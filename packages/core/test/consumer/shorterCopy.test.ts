import { describe, expect, it } from 'vitest'
import { shorterCopy } from '../../src/consumer/shorterCopy.js'
import { PublishError } from '../../src/errors.js'
import { on } from '../../src/index.js'
import type { FakeTransport, Sent } from '../fakeTransport.js'
import { letter } from '../copies.js'
import { orderPlaced, startConsumer } from '../fixtures.js'

const bytesOf = (headers: Readonly<Record<string, string>>): number =>
  Object.entries(headers).reduce(
    (sum, [name, value]) => sum + 6 + Buffer.byteLength(name) + Buffer.byteLength(value),
    4,
  )

const tooLarge = (details: Readonly<Record<string, unknown>>): PublishError =>
  new PublishError({ code: 'POSTHORN_PUBLISH_TOO_LARGE', outcome: 'notSent', message: 'too long', details })

/** Takes copies with so many bytes of headers, as an AMQP broker does, and says so or not. */
function bounded(
  transport: FakeTransport,
  maxHeaderBytes: number,
  says: 'all' | 'only how long they are' = 'all',
): void {
  transport.answer = ({ message }: Sent) => {
    const headerBytes = bytesOf(message.headers)
    if (headerBytes <= maxHeaderBytes) return Promise.resolve({ routed: true })
    return Promise.reject(tooLarge(says === 'all' ? { headerBytes, maxHeaderBytes } : { headerBytes }))
  }
}

const failing = (delaysMs: readonly number[]) => ({
  handlers: [
    on(orderPlaced, () => {
      throw new Error('no')
    }),
  ],
  retry: { delaysMs },
})

const leftOutIn = (records: readonly { readonly facts: Readonly<Record<string, unknown>> }[]): unknown[] =>
  records.filter(({ facts }) => facts['event'] === 'settle.headersLeftOut').map(({ facts }) => facts['leftOut'])

const big = 'b'.repeat(20_000)

describe('a copy with longer headers than the broker takes', () => {
  it('goes without our stack, at once, and the log says so once', async () => {
    const { order, transport, settle, consumer, logger } = await startConsumer(failing([]))
    bounded(transport, 20_800)
    const delivery = order('o-1', { headers: { big } })
    await settle()
    expect(delivery.ends).toEqual(['complete'])
    const [refused, taken, ...more] = transport.sentTo('dead')
    expect(more).toEqual([])
    const { 'posthorn-error-stack': stack, ...others } = refused!.message.headers
    expect(stack).toBeDefined()
    expect(taken!.message.headers).toEqual(others)
    expect(leftOutIn(logger.records)).toEqual(['posthorn-error-stack'])
    expect(consumer.health()).toMatchObject({ deadLettered: 1, stuck: 0 })
  })

  it('goes without its longest headers when ours are not enough, a retry too, and the body is whole', async () => {
    const { order, transport, settle, logger } = await startConsumer(failing([1_000]))
    bounded(transport, 10_000)
    const delivery = order('o-1', { headers: { tenant: 'acme', big, larger: `${big}!` } })
    await settle()
    expect(delivery.ends).toEqual(['complete'])
    const [, taken] = transport.sentTo('retry')
    expect(taken!.message.headers).toMatchObject({ tenant: 'acme', 'posthorn-attempt': '2' })
    expect(taken!.message.body).toBe(delivery.body)
    expect(leftOutIn(logger.records)).toEqual(['larger, big'])
  })

  it('is at most as long as its original where nobody knows how much fits', async () => {
    const { order, transport, settle } = await startConsumer(failing([]))
    const original = { big, other: 'o'.repeat(500), short: 's' }
    bounded(transport, bytesOf(original), 'only how long they are')
    const delivery = order('o-1', { headers: original })
    await settle()
    expect(delivery.ends).toEqual(['complete'])
    expect(transport.sentTo('dead')[1]!.message.headers).toMatchObject({
      short: 's',
      'posthorn-reason': 'retriesExhausted',
    })
  })

  it('that is no longer than its original, or has nothing to leave out, is stuck as any other', async () => {
    for (const says of ['all', 'only how long they are'] as const) {
      const { order, transport, clock, consumer, logger } = await startConsumer(failing([]))
      bounded(transport, 10, says)
      const delivery = order('o-1', { headers: { big } })
      await clock.advance(10_000)
      expect(delivery.ends).toEqual([])
      expect(consumer.health()).toMatchObject({ stuck: 1 })
      expect(leftOutIn(logger.records)).toHaveLength(1)
      expect(transport.sent.length).toBeLessThan(20)
    }
  })

  it('keeps all its headers when it is its body that is too large', async () => {
    const { order, transport, settle, logger } = await startConsumer(failing([]))
    transport.answer = () => Promise.reject(tooLarge({}))
    order('o-1', { headers: { big } })
    await settle()
    expect(transport.sent).toHaveLength(1)
    expect(leftOutIn(logger.records)).toEqual([])
  })
})

describe('what is left out', () => {
  const without = (headers: Record<string, string>, excess: number): readonly string[] | undefined =>
    shorterCopy(tooLarge({ headerBytes: 100_000, maxHeaderBytes: 100_000 - excess }), {
      message: { id: 'm', type: 't', contentType: '', body: null, headers },
      original: {},
      binaryPrefix: 'ce_',
    })?.leftOut

  it('are our details, then the longest others, attributes of the event and the error’s text last', () => {
    const foreign = {
      tenant: 'acme',
      ce_id: '1',
      ce_longest: 'c'.repeat(9_000),
      x: 'x'.repeat(2_000),
      y: 'y'.repeat(3_000),
    }
    const headers = letter(foreign, { error: Object.assign(new Error('m'.repeat(900)), { stack: 's'.repeat(3_000) }) })
    expect(without(headers, 1)).toEqual(['posthorn-error-stack'])
    expect(without(headers, 3_100)).toEqual(['posthorn-error-stack', 'y'])
    expect(without(headers, 6_100)).toEqual(['posthorn-error-stack', 'y', 'x'])
    const all = without(headers, Infinity)!
    expect(all.slice(-3)).toEqual(['ce_longest', 'posthorn-error-message', 'ce_id'])
    const left = Object.keys(headers).filter((name) => !all.includes(name))
    expect(left).toEqual(expect.arrayContaining(['posthorn-attempt', 'posthorn-reason', 'posthorn-group']))
  })

  it('is never the key of a record, which is no header there', () => {
    const headers = letter({ 'posthorn-key': 'k'.repeat(9_000), x: 'x' })
    const all = without(headers, Infinity)
    expect(all).toContain('x')
    expect(all).not.toContain('posthorn-key')
  })

  it('is nothing after another error, whatever it says', () => {
    const parts = {
      message: { id: 'm', type: 't', contentType: '', body: null, headers: { big } },
      original: {},
      binaryPrefix: 'ce_',
    }
    const details = { headerBytes: 9, maxHeaderBytes: 1 }
    const refused = new PublishError({ code: 'POSTHORN_PUBLISH_REFUSED', outcome: 'notSent', message: 'full', details })
    for (const error of [
      refused,
      undefined,
      { code: 'POSTHORN_PUBLISH_TOO_LARGE' },
      tooLarge({ headerBytes: 'many' }),
    ]) {
      expect(shorterCopy(error, parts)).toBeUndefined()
    }
  })
})
