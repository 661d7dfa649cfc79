import assert from 'node:assert/strict'
import { defineEvent } from '@posthorn/contracts'
import { binaryMode } from '@posthorn/core'
import { createMessageProbe } from '../probes/messageProbe.js'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'

/** An event without data arrives as one. */
export const noData: PromiseDefinition = promise('noData', [
  {
    title: 'an event without data in binary mode has no body, and arrives without data',
    async run(bench) {
      const type = 'conformance.gone.v1'
      const gone = defineEvent.typed<undefined>()({ type, destination: bench.destination, schema: {} })
      const probe = createMessageProbe(gone, { timeoutMs: bench.timing.waitMs })
      await bench.group('billing', { handlers: [probe.handler] })
      const publisher = await bench.publisher({ wireFormat: binaryMode(), publishes: [gone] })
      const { id } = await publisher.publish(gone, undefined, { partitionKey: 'k' })
      const [seen] = await probe.waitForCount(1)
      assert.deepEqual([seen?.envelope.id, seen?.data, 'data' in seen!.envelope], [id, undefined, false])
    },
  },
])
