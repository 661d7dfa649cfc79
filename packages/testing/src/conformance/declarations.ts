import assert from 'node:assert/strict'
import { defineEvent } from '@posthorn/contracts'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'

/** What cannot work is refused when it is declared, with all problems at once and before any I/O. */
export const declarations: PromiseDefinition = promise('declarations', [
  {
    title: 'impossible declarations are refused with every problem, without a connection',
    run(bench) {
      const { handler } = bench.seen()
      const transport = bench.transport()
      const service = bench.service({ transport })
      const other = defineEvent({ type: bench.noted.type, destination: bench.destination, schema: { type: 'string' } })
      const declare = (options: object): number => {
        try {
          service.consume('billing', { handlers: [handler], ...options })
        } catch (error) {
          const { code, details } = error as { code: string; details: { problems: string[] } }
          assert.equal(code, 'POSTHORN_CONFIGURATION')
          return details.problems.length
        }
        return 0
      }
      assert.equal(declare({ concurency: 3, handlers: [], validation: 'maybe', retries: {} }), 4)
      assert.equal(declare({ retry: { delaysMs: [1_000, 100] }, concurrency: 10, maxInFlight: 2 }), 2)
      assert.equal(declare({ handlers: [bench.seen(other as never).handler] }), 1)
      assert.equal(declare({}), 0)
      assert.equal(declare({}), 1)
      assert.throws(() => bench.service({ source: 'has spaces' }), { code: 'POSTHORN_CONFIGURATION' })
      assert.equal(transport.health().state, 'idle')
      return Promise.resolve()
    },
  },
])
