import { createService, defineEvent, discard, silentLogger } from '@posthorn/core'
import { createMemory } from '@posthorn/memory'
import { afterEach, describe, expect, it } from 'vitest'
import { createDeadLetterProbe } from '../../src/probes/deadLetterProbe.js'
import { createMessageProbe } from '../../src/probes/messageProbe.js'

const noted = defineEvent({
  type: 'com.example.noted.v1',
  destination: 'notes',
  schema: { type: 'object', required: ['n'], properties: { n: { type: 'integer' } } },
})

function newService(): ReturnType<typeof createService> {
  return createService({ source: '/probes', transport: createMemory(), logger: silentLogger })
}

let service = newService()
afterEach(async () => {
  await service.stop()
  service = newService()
})

describe('createMessageProbe', () => {
  it('collects messages with attempt, headers and context, and completes them', async () => {
    const probe = createMessageProbe(noted)
    const consumer = service.consume('readers', { handlers: [probe.handler] })
    await service.start()
    await service.publish(noted, { n: 1 }, { headers: { 'x-shard': '7' } })
    const [seen] = await probe.waitForCount(1)
    expect(seen).toMatchObject({ data: { n: 1 }, attempt: 1, headers: { 'x-shard': '7' } })
    expect(seen?.envelope.type).toBe(noted.type)
    expect(seen?.context.group).toBe('readers')
    expect(consumer.health().handled).toBe(1)
  })

  it('settles as the handler says that it was given', async () => {
    const probe = createMessageProbe(noted, { handler: () => discard('a test') })
    const consumer = service.consume('readers', { handlers: [probe.handler] })
    await service.start()
    await service.publish(noted, { n: 1 })
    await probe.waitForCount(1)
    expect(consumer.health()).toMatchObject({ discarded: 1, handled: 0 })
  })
})

describe('createDeadLetterProbe', () => {
  it('collects the dead letters of a group', async () => {
    const failing = createMessageProbe(noted, { handler: () => Promise.reject(new RangeError('no luck')) })
    service.consume('readers', { handlers: [failing.handler], retry: { delaysMs: [] } })
    const dead = createDeadLetterProbe(service, { destination: 'notes', group: 'readers' })
    await service.start()
    await service.publish(noted, { n: 1 })
    const letter = await dead.waitFor(({ reason }) => reason === 'retriesExhausted')
    expect(letter).toMatchObject({ attempts: 1, error: { name: 'RangeError', message: 'no luck' } })
    await expect(dead.waitForCount(2, { timeoutMs: 1 })).rejects.toThrow('retriesExhausted after 1 attempts: no luck')
  })
})
