import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { numbersOf, wireMessage } from './messages.js'

/** A publish ends by its signal, its deadline or the end of its connection, and then nothing was sent. */
export const publishEnds: PromiseDefinition = promise('publishEnds', [
  {
    title: 'a publish whose signal has fired rejects as not sent, and never arrives',
    async run(bench) {
      const probe = bench.seen()
      const { service } = await bench.group('billing', { handlers: [probe.handler] })
      const aborted = { code: 'POSTHORN_PUBLISH_ABORTED', outcome: 'notSent' }
      await assert.rejects(service.publish(bench.noted, { n: 1 }, { signal: AbortSignal.abort() }), aborted)
      await service.publish(bench.noted, { n: 2 })
      assert.deepEqual(numbersOf(await probe.waitForCount(1)), [2])
    },
  },
  {
    title: 'a send whose deadline is over, or whose transport is closed, rejects as not sent',
    async run(bench) {
      const transport = await bench.connected()
      const send = (waitMs: number): Promise<unknown> =>
        transport.send({ destination: bench.destination }, wireMessage('late'), bench.soon(waitMs))
      await assert.rejects(send(-1), { code: 'POSTHORN_PUBLISH_DEADLINE', outcome: 'notSent' })
      await transport.close(bench.soon().deadline)
      await assert.rejects(send(1_000), { name: 'PublishError', outcome: 'notSent' })
    },
  },
])
