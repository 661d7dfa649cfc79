import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { numbersOf, wireMessage } from './messages.js'

/** A valid message of a type that the group does not handle is completed and counted, on every transport. */
export const skippedTypes: PromiseDefinition = promise('skippedTypes', [
  {
    title: 'a type that the group does not handle is skipped and counted, whoever else handles it',
    async run(bench) {
      const [probe, audit] = [bench.seen(), bench.seen(bench.other)]
      const starting = bench.group('audit', { handlers: [audit.handler] })
      const { service, consumer } = await bench.group('billing', { handlers: [probe.handler] })
      await starting
      const transport = await bench.connected()
      const target = { group: { destination: bench.destination, group: 'billing' } }
      await transport.send(target, wireMessage('skipped', { type: bench.other.type }), bench.soon())
      await service.publish(bench.other, { n: 1 })
      await service.publish(bench.noted, { n: 2 })
      assert.deepEqual(numbersOf(await probe.waitForCount(1)), [2])
      assert.deepEqual(numbersOf(await audit.waitForCount(1)), [1])
      const health = await bench.eventually(
        'a skip',
        () => consumer.health(),
        ({ skipped }) => skipped > 0,
      )
      assert.deepEqual([health.deadLettered, health.retried], [0, 0])
    },
  },
  {
    title: 'a type that the group does not handle is dead-lettered where the group says so',
    async run(bench) {
      const probe = bench.seen()
      const starting = bench.deadLetters('billing')
      const options = { handlers: [probe.handler], unhandledTypes: 'deadLetter' } as const
      const { service } = await bench.group('billing', options)
      const dead = await starting
      await service.publish(bench.other, { n: 1 })
      const [letter] = await dead.waitForCount(1)
      assert.deepEqual([letter?.reason, letter?.attempts], ['unhandledType', 0])
      assert.equal(letter?.envelope?.type, bench.other.type)
    },
  },
])
