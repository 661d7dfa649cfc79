import assert from 'node:assert/strict'
import { structuredMode } from '@posthorn/core'
import { promise } from './conformanceCase.js'
import type { PromiseDefinition } from './conformanceCase.js'

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
      const { service } = await bench.group('billing', { handlers: [probe.handler], retry })
      const dead = await starting
      const { id } = await service.publish(bench.noted, { n: 1 }, { id: 'dead-1', headers: { 'x-shard': '7' } })
      const [letter] = await dead.waitForCount(1)
      const [seen] = probe.items
      const wire = structuredMode().write(seen!.envelope, { limits, binaryPrefix: '' })
      assert.deepEqual(Buffer.from(letter?.body ?? []).toString(), Buffer.from(wire.body ?? []).toString())
      assert.equal(letter?.contentType, wire.contentType)
      assert.deepEqual([letter?.envelope?.id, letter?.headers['x-shard']], [id, '7'])
      assert.deepEqual([letter?.group, letter?.error?.message], ['billing', 'no luck'])
      assert.ok(letter?.error?.stack?.includes('deadLetterFacts'), 'the stack is missing')
      assert.ok((letter?.origin ?? '').includes(bench.destination), `origin ${letter?.origin}`)
      const times = [before.toISOString(), letter?.firstFailedAt ?? '', letter?.lastFailedAt ?? '']
      assert.deepEqual(times, [...times].sort(), 'first failed before last failed')
      assert.equal(dead.items.length, 1)
    },
  },
])

const limits = { maxBodyBytes: 1_000_000, maxDepth: 64 }
