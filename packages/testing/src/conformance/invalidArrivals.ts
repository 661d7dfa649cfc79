import assert from 'node:assert/strict'
import type { WireMessage } from '@posthorn/core/adapter'
import { badBodies } from './badBodies.js'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { sortedNumbersOf, wireMessage } from './messages.js'

/** What arrives invalid is put aside with its original bytes and the reason, and harms no neighbour. */
export const invalidArrivals: PromiseDefinition = promise('invalidArrivals', [
  {
    title: 'what cannot be read or breaks a schema is dead-lettered with its bytes and reason between good neighbours',
    async run(bench) {
      const probe = bench.seen()
      const options = { limits: { maxBodyBytes: 5_000, maxDepth: 8 } }
      const [dead] = await Promise.all([
        bench.deadLetters('billing'),
        bench.group('billing', { handlers: [probe.handler] }, options),
      ])
      const transport = await bench.connected()
      const send = (message: WireMessage): Promise<unknown> =>
        transport.send({ destination: bench.destination }, message, bench.soon())
      for (const [n, bad] of badBodies.entries()) {
        await send(wireMessage(`good-${n}`, { data: { n } }))
        await send(wireMessage(bad.name, bad.message))
      }
      await dead.waitForCount(badBodies.length)
      for (const { name, reason, message } of badBodies) {
        const matches = dead.items.filter(({ body }) => Buffer.compare(body ?? empty, message.body) === 0)
        assert.deepEqual(
          matches.map((letter) => letter.reason),
          [reason],
          name,
        )
        assert.deepEqual([matches[0]?.contentType, matches[0]?.attempts], [message.contentType, 0], name)
      }
      const seen = await probe.waitForCount(badBodies.length)
      assert.deepEqual(sortedNumbersOf(seen), [...badBodies.keys()])
      assert.equal(dead.items.length, badBodies.length)
    },
  },
])

const empty = new Uint8Array()
