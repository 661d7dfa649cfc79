import assert from 'node:assert/strict'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'
import { wireMessage } from './messages.js'

/** A dead letter is the original message plus why, where and when it failed. */
export const deadLetterFacts: PromiseDefinition = promise('deadLetterFacts', [
  {
    title: 'a dead letter keeps id, bytes, content type and headers, through a retry, and tells its story',
    async run(bench) {
      const before = new Date(Date.now() - 1)
      const probe = bench.seen(bench.noted, () => {
        throw new RangeError('no luck')
      })
      const starting = bench.deadLetters('billing')
      const retry = { delaysMs: [bench.timing.rungMs] }
      await bench.group('billing', { handlers: [probe.handler], retry })
      const dead = await starting
      const transport = await bench.connected()
      const message = wireMessage('dead-1', { body: oddBody(bench.noted.type), headers: { 'x-shard': '7' } })
      await transport.send({ destination: bench.destination }, message, bench.soon())
      const [letter] = await dead.waitForCount(1)
      assert.deepEqual(Buffer.from(letter?.body ?? []).toString(), oddBody(bench.noted.type).toString())
      assert.equal(letter?.contentType, message.contentType)
      assert.deepEqual([letter?.envelope?.id, letter?.headers['x-shard']], ['dead-1', '7'])
      assert.deepEqual([letter?.group, letter?.error?.message], ['billing', 'no luck'])
      assert.ok(letter?.error?.stack?.includes('deadLetterFacts'), 'the stack is missing')
      assert.ok((letter?.origin ?? '').includes(bench.destination), `origin ${letter?.origin}`)
      const times = [before.toISOString(), letter?.firstFailedAt ?? '', letter?.lastFailedAt ?? '']
      assert.deepEqual(times, [...times].sort(), 'first failed before last failed')
      assert.equal(dead.items.length, 1)
    },
  },
])

/** A valid event that no library would write so: whoever decodes and encodes it changes its bytes. */
function oddBody(type: string): Buffer {
  const attributes = `"type":"${type}",\n  "id" : "dead-1", "source":"/odd", "specversion":"1.0"`
  return Buffer.from(`{ ${attributes}, "data":{ "n":1.0, "text":"\\u00e9" } }\n`)
}
