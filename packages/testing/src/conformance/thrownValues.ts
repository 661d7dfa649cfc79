import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'

/** What a handler may throw: with the name and message that a dead letter gives it. */
const thrown: readonly { readonly value: unknown; readonly name: string; readonly message: string }[] = [
  { value: new TypeError('an error'), name: 'TypeError', message: 'an error' },
  { value: 'a string', name: 'string', message: 'a string' },
  { value: undefined, name: 'undefined', message: 'undefined' },
  { value: Object.freeze({ message: 'frozen' }), name: 'Error', message: 'frozen' },
  { value: hostile(), name: 'Error', message: 'a value that cannot be shown' },
]

/** Whatever a handler throws, and however, the message ends in the dead letters and the group goes on. */
export const thrownValues: PromiseDefinition = promise('thrownValues', [
  {
    title: 'whatever a handler throws, at once or later, is described in the dead letter',
    async run(bench) {
      const probe = bench.seen(bench.noted, async ({ data }) => {
        await Promise.resolve()
        throw thrown[data.n]?.value
      })
      const atOnce = bench.seen(bench.other, ({ data }) => {
        throw thrown[data.n]?.value
      })
      const starting = bench.deadLetters('billing')
      const options = { handlers: [probe.handler, atOnce.handler], retry: { delaysMs: [] } }
      const { service } = await bench.group('billing', options)
      const dead = await starting
      for (const n of thrown.keys()) {
        await service.publish(bench.noted, { n })
        await service.publish(bench.other, { n })
      }
      const letters = await dead.waitForCount(thrown.length * 2)
      for (const [n, { name, message }] of thrown.entries()) {
        const matches = letters.filter(({ envelope }) => (envelope?.data as { n: number } | undefined)?.n === n)
        const errors = matches.map(({ error }) => `${error?.name}: ${error?.message}`)
        assert.deepEqual(errors, [`${name}: ${message}`, `${name}: ${message}`])
      }
    },
  },
])

/** An object whose every property answers with an exception. */
function hostile(): object {
  const refuse = (): never => {
    throw new Error('do not look')
  }
  return new Proxy({}, { get: refuse, has: refuse, getPrototypeOf: refuse, ownKeys: refuse })
}
