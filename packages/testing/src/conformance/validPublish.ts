import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import type { Note } from './messages.js'
import { numbersOf } from './messages.js'

const invalid = { name: 'EnvelopeValidationError', code: 'POSTHORN_INVALID_DATA' }

/** An invalid message never leaves its publisher. */
export const validPublish: PromiseDefinition = promise('validPublish', [
  {
    title: 'data that breaks its schema is rejected with pointers, and nothing of it arrives',
    async run(bench) {
      const probe = bench.seen()
      const { service } = await bench.group('billing', { handlers: [probe.handler] })
      const bad = { n: 'one' } as unknown as Note
      await assert.rejects(service.publish(bench.noted, bad), (error: { issues: { pointer: string }[] }) => {
        assert.deepEqual([error.issues[0]?.pointer], ['/data/n'])
        return true
      })
      await assert.rejects(service.publish(bench.noted, bad), invalid)
      await assert.rejects(service.publishMany(bench.noted, [{ n: 1 }, bad]), invalid)
      await service.publish(bench.noted, { n: 2 })
      assert.deepEqual(numbersOf(await probe.waitForCount(1)), [2])
    },
  },
  {
    title: 'data that no body can carry faithfully is rejected before it is sent',
    async run(bench) {
      const probe = bench.seen()
      const options = { limits: { maxBodyBytes: 10_000, maxDepth: 8 } }
      const { service } = await bench.group('billing', { handlers: [probe.handler] }, options)
      const refuse = (extra: unknown, code: string): Promise<void> =>
        assert.rejects(service.publish(bench.noted, { n: 1, extra } as Note), { code })
      await refuse(10n, 'POSTHORN_UNSERIALIZABLE')
      await refuse(Number.NaN, 'POSTHORN_UNSERIALIZABLE')
      await refuse('x'.repeat(10_001), 'POSTHORN_TOO_LARGE')
      await refuse([[[[[[[[1]]]]]]]], 'POSTHORN_TOO_DEEP')
      await refuse(JSON.parse('{"__proto__":{"admin":true}}'), 'POSTHORN_FORBIDDEN_KEY')
      await service.publish(bench.noted, { n: 2 })
      assert.deepEqual(numbersOf(await probe.waitForCount(1)), [2])
    },
  },
])
