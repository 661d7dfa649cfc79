import assert from 'node:assert/strict'
import { defineEvent } from '@posthorn/contracts'
import { createDeadLetterProbe } from '../probes/deadLetterProbe.js'
import { createMessageProbe } from '../probes/messageProbe.js'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'

/** Every name that the contracts allow works on every transport, through rungs and dead letters. */
export const longestNames: PromiseDefinition = promise('longestNames', [
  {
    title: 'the longest destination, group, type, id and key pass through a retry into the dead letters',
    async run(bench) {
      const { waitMs: timeoutMs, rungMs } = bench.timing
      const destination = `${bench.destination}.`.padEnd(100, '-_.0')
      const source = { destination, group: 'G-_9'.repeat(16) }
      const type = 'ü'.repeat(127)
      const long = defineEvent({ type, destination, schema: {} })
      const failing = createMessageProbe(long, { timeoutMs, handler: () => Promise.reject(new Error('no luck')) })
      const service = bench.service({ publishes: [long] })
      service.consume(source.group, { handlers: [failing.handler], retry: { delaysMs: [rungMs] } })
      const dead = createDeadLetterProbe(service, source, { timeoutMs })
      await service.start({ deadlineMs: timeoutMs })
      const id = `${'é'.repeat(127)}!`
      await service.publish(long, {}, { id, partitionKey: 'ключ '.repeat(50) })
      const [letter] = await dead.waitForCount(1)
      assert.deepEqual([letter?.envelope?.id, letter?.envelope?.type, letter?.attempts], [id, type, 2])
      assert.equal(failing.items[1]?.envelope.partitionkey, 'ключ '.repeat(50))
    },
  },
])
