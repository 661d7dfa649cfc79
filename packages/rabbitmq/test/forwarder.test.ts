import { EventEmitter } from 'node:events'
import type { ConfirmChannel, MessageProperties } from 'amqplib'
import { describe, expect, it } from 'vitest'
import { createForwarder } from '../src/forwarder.js'
import type { StoredMessage } from '../src/forwarder.js'

/** A confirm channel whose broker answers when the test says so. */
class FakeChannel extends EventEmitter {
  readonly answers: ((error: Error | null) => void)[] = []

  sendToQueue(_queue: string, _content: Buffer, _options: object, answer: (error: Error | null) => void): boolean {
    this.answers.push(answer)
    return true
  }
}

const stored = (messageId: string | undefined): StoredMessage => ({
  content: Buffer.from('{}'),
  properties: { messageId, headers: {} } as unknown as MessageProperties,
  fields: { deliveryTag: 1 },
})

describe('forwarding stored messages', () => {
  it.each(['same', undefined])(
    'gives up no original of several with the id %s, when all came back and one answer confirms them',
    async (id) => {
      const channel = new FakeChannel()
      const forward = createForwarder(channel as unknown as ConfirmChannel)
      const copies = [1, 2, 3].map(() => forward(stored(id), 'gone').catch((error: unknown) => error))
      // The broker returns each before it confirms all of them at once.
      for (let copy = 0; copy < 3; copy += 1) channel.emit('return', { properties: { messageId: id } })
      for (const answer of channel.answers) answer(null)
      for (const outcome of await Promise.all(copies)) {
        expect(outcome).toMatchObject({ code: 'POSTHORN_PUBLISH_UNROUTED', outcome: 'notSent' })
      }
    },
  )

  it('resolves what a queue took, and rejects what it refused', async () => {
    const channel = new FakeChannel()
    const forward = createForwarder(channel as unknown as ConfirmChannel)
    const taken = forward(stored('a'), 'billing')
    const refused = forward(stored('b'), 'billing').catch((error: unknown) => error)
    channel.answers[0]?.(null)
    channel.answers[1]?.(new Error('message nacked'))
    await expect(taken).resolves.toBeUndefined()
    expect(await refused).toMatchObject({ code: 'POSTHORN_PUBLISH_REFUSED', outcome: 'unknown' })
  })
})
