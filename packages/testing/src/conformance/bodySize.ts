import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { wireMessage } from './messages.js'

/** The longest body that Posthorn lets through unless it is told otherwise. */
const mebibyte = 1_048_576

/** A body arrives whole up to the transport's limit; above it, it is refused before it can harm a neighbour. */
export const bodySize: PromiseDefinition = promise('bodySize', [
  {
    title: 'the longest body arrives byte by byte',
    async run(bench) {
      const probe = bench.seen()
      await bench.group('billing', { handlers: [probe.handler] })
      const transport = await bench.connected()
      const bytes = Math.min(mebibyte, bench.capabilities.maxBodyBytes)
      const empty = wireMessage('large', { data: { n: 1, text: '' } }).body?.length ?? 0
      const message = wireMessage('large', { data: { n: 1, text: 'é'.repeat((bytes - empty) >> 1) } })
      await transport.send({ destination: bench.destination }, message, bench.soon())
      const [seen] = await probe.waitForCount(1)
      assert.equal(seen?.data.text, 'é'.repeat((bytes - empty) >> 1))
    },
  },
  {
    title: 'a body above the transport’s limit is refused as not sent, and its neighbours arrive',
    async run(bench) {
      const probe = bench.seen()
      await bench.group('billing', { handlers: [probe.handler] })
      const transport = await bench.connected()
      const send = (id: string, body?: Uint8Array): Promise<unknown> => {
        const message = wireMessage(id, body === undefined ? {} : { body })
        return transport.send({ destination: bench.destination }, message, bench.soon())
      }
      const tooLarge = send('2', new Uint8Array(bench.capabilities.maxBodyBytes + 1))
      const sends = [send('1'), assert.rejects(tooLarge, refused), send('3')]
      await Promise.all(sends)
      const seen = await probe.waitForCount(2)
      assert.deepEqual(seen.map(({ envelope }) => envelope.id).sort(), ['1', '3'])
    },
  },
])

const refused = { code: 'POSTHORN_PUBLISH_TOO_LARGE', outcome: 'notSent' }
