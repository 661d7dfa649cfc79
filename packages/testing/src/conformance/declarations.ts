import assert from 'node:assert/strict'
import { defineEvent } from '@posthorn/contracts'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { refusalOf } from './refusal.js'

/** What cannot work is refused when it is declared, with all problems at once and before any I/O. */
export const declarations: PromiseDefinition = promise('declarations', [
  {
    title: 'impossible declarations are refused with every problem, without a connection',
    run(bench) {
      const { handler } = bench.seen()
      const transport = bench.transport()
      const service = bench.service({ transport })
      const other = defineEvent({ type: bench.noted.type, destination: bench.destination, schema: { type: 'string' } })
      const declare = (options: object): unknown => service.consume('billing', { handlers: [handler], ...options })
      const problemCount = (options: object): number => refusalOf(() => declare(options)).length
      assert.equal(problemCount({ concurency: 3, handlers: [], validation: 'maybe', retries: {} }), 4)
      assert.equal(problemCount({ retry: { delaysMs: [1_000, 100] }, concurrency: 10, maxInFlight: 2 }), 2)
      assert.equal(problemCount({ handlers: [bench.seen(other as never).handler] }), 1)
      declare({})
      assert.equal(problemCount({}), 1)
      assert.throws(() => bench.service({ source: 'has spaces' }), { code: 'POSTHORN_CONFIGURATION' })
      assert.equal(transport.health().state, 'idle')
      return Promise.resolve()
    },
  },
])
