import assert from 'node:assert/strict'
import { binaryMode, structuredMode } from '@posthorn/core'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'

/** Both CloudEvents modes arrive as the same event, with every attribute, extension and header. */
export const wireModes: PromiseDefinition = promise('wireModes', [
  {
    title: 'structured and binary mode arrive as the same envelope, with extensions and headers untouched',
    async run(bench) {
      const probe = bench.seen()
      await bench.group('billing', { handlers: [probe.handler] })
      const trace = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=b' }
      const options = { id: 'same', time: new Date(0), subject: 'größe', extensions: { tenant: 't-1', flag: 'yes' } }
      const more = {
        correlationId: 'c-1',
        sequence: '7',
        dataref: 'https://example.com/d',
        headers: odd,
      }
      for (const wireFormat of [structuredMode(), binaryMode()]) {
        const service = await bench.publisher({ wireFormat, captureTrace: () => trace })
        await service.publish(bench.noted, { n: 1, text: 'schön ✓' }, { ...options, ...more, partitionKey: 'k' })
      }
      const [one, other] = await probe.waitForCount(2)
      const { datacontenttype: first, ...structured } = one!.envelope
      const { datacontenttype: second, ...binary } = other!.envelope
      assert.deepEqual(structured, binary)
      assert.deepEqual(new Set([first, second]), new Set([undefined, 'application/json']))
      assert.deepEqual({ ...structured, ...expected }, { ...structured })
      for (const { headers } of [one!, other!]) {
        const passed = Object.keys(odd).map((name) => headers[name])
        assert.deepEqual([...passed, headers['traceparent']], [...Object.values(odd), trace.traceparent])
      }
    },
  },
])

/** Headers that a broker or its client could take for its own, or could not carry. */
const odd = { 'x-shard': '7', 'X-Größe': 'schön ✓', id: 'not-the-id', type: 'not-the-type', 'x-empty': '' }

const expected = {
  specversion: '1.0',
  id: 'same',
  source: '/conformance',
  type: 'conformance.noted.v1',
  time: new Date(0).toISOString(),
  subject: 'größe',
  tenant: 't-1',
  flag: 'yes',
  correlationid: 'c-1',
  sequence: '7',
  dataref: 'https://example.com/d',
  partitionkey: 'k',
  data: { n: 1, text: 'schön ✓' },
}
