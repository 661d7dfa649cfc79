import assert from 'node:assert/strict'
import { codeOf } from '@posthorn/core'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'

/** Without a broker everything that waits for it ends, and says where it looked. */
export const unreachable: PromiseDefinition = promise('unreachable', [
  {
    title: 'without a broker, start rejects at its deadline and names the address, never the password',
    async run(bench) {
      const transport = bench.unreachable()
      const service = bench.service({ transport })
      const began = performance.now()
      const error = await service.start({ deadlineMs: bench.timing.unreachableMs }).then(() => undefined, asError)
      assert.equal(codeOf(error), 'POSTHORN_UNREACHABLE')
      assert.ok(
        performance.now() - began < bench.timing.unreachableMs + bench.slackMs,
        'it took longer than its deadline',
      )
      const [address = 'no address'] = transport.health().addresses
      assert.ok(error?.message.includes(address), `${error?.message} does not name ${address}`)
      if (bench.secret !== undefined) assert.ok(!`${error?.stack}`.includes(bench.secret), 'it shows the password')
    },
  },
  {
    title: 'without a broker, publish rejects at its deadline as not sent, and stop settles',
    async run(bench) {
      const service = bench.service({ transport: bench.unreachable() })
      const starting = assert.rejects(service.start({ ifUnavailable: 'wait' }), { code: 'POSTHORN_STOPPED' })
      const publish = service.publish(bench.noted, { n: 1 }, { deadlineMs: bench.timing.unreachableMs })
      await assert.rejects(publish, { code: 'POSTHORN_PUBLISH_DEADLINE', outcome: 'notSent' })
      const began = performance.now()
      await service.stop({ deadlineMs: bench.timing.stopMs })
      assert.ok(performance.now() - began < bench.timing.stopMs + bench.slackMs, 'stop took longer than its deadline')
      await starting
    },
  },
])

function asError(error: unknown): Error {
  return error as Error
}
