import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { notes, wireMessage } from './messages.js'
import { observe } from './observedTransport.js'

/** A group never has more bytes in hand than it allowed, but for one message. */
export const boundedBytes: PromiseDefinition = promise('boundedBytes', [
  {
    title: 'above maxInFlightBytes delivering pauses, and goes on when messages are settled',
    async run(bench) {
      const { transport, peak } = observe(bench.transport())
      const gate = bench.gate()
      const probe = bench.seen(bench.noted, () => gate.pass())
      const text = 'x'.repeat(10_000)
      const options = { handlers: [probe.handler], maxInFlightBytes: 35_000 }
      const { service } = await bench.group('billing', options, { transport })
      await service.publishMany(
        bench.noted,
        notes(20).map((note) => ({ ...note, text })),
      )
      await probe.waitForCount(3)
      gate.open()
      await probe.waitForCount(20)
      const one = wireMessage('1', { data: { n: 1, text } }).body?.length ?? 0
      assert.ok(peak.bytes <= 35_000 + one * 1.1, `${peak.bytes} bytes at once`)
    },
  },
])
