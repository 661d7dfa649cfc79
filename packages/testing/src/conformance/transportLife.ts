import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'

/** A transport is what it says it is, does nothing before it is asked, and ends when it is told. */
export const transportLife: PromiseDefinition = promise('transportLife', [
  {
    title: 'the transport has the capabilities that it claims, and its health follows its life',
    async run(bench) {
      const transport = bench.transport()
      assert.deepEqual({ ...transport.capabilities }, { ...bench.capabilities })
      assert.match(transport.system, /^[a-z]+$/)
      const states = [transport.health().state]
      await bench.connected(transport)
      states.push(transport.health().state)
      assert.ok(transport.health().addresses.length > 0)
      await transport.close(bench.soon().deadline)
      await transport.close(bench.soon().deadline)
      states.push(transport.health().state)
      assert.deepEqual(states, ['idle', 'ready', 'closed'])
    },
  },
  {
    title: 'a transport that was never connected closes at once',
    async run(bench) {
      const transport = bench.transport()
      await transport.close(bench.soon(bench.timing.stopMs).deadline)
      assert.equal(transport.health().state, 'closed')
    },
  },
])
