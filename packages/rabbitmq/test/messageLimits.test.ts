import { systemClock } from '@posthorn/core/adapter'
import type { PublishError, Target, WireMessage } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import { createCounts } from '../src/counts.js'
import { createDeclaredExchanges } from '../src/declaredExchanges.js'
import { headerBytesOf } from '../src/messageMapping.js'
import { settingsOf } from '../src/options.js'
import { PublishQueue } from '../src/publishQueue.js'
import { createRabbitMqSender, maxBodyBytes } from '../src/rabbitMqSender.js'
import { after, contextOf, message } from './broker.js'

const published: Target = { destination: 'orders' }
const group = { destination: 'orders', group: 'billing' }
const copies: readonly Target[] = [{ retry: { ...group, delayMs: 1_000 } }, { dead: group }, { group }]

/** What the sender says to a message: undefined when it is on its way. There is no broker. */
async function refusalOf(target: Target, fields: Partial<WireMessage>, frameMax = 131_072): Promise<unknown> {
  const settings = settingsOf({ urls: ['amqp://localhost'], topology: 'none' })
  const parts = { exchanges: createDeclaredExchanges(settings.topology), counts: createCounts(), recycleAfterCount: 1 }
  const queue = new PublishQueue({ settings, context: contextOf(), purpose: 'test', ...parts })
  const now = (): number => systemClock.monotonic()
  const sender = createRabbitMqSender({ queue, map: settings.topology, now, frameMaxBytes: () => frameMax })
  const giveUp = new AbortController()
  const sending = sender.send(target, message(fields), { deadline: after(60_000), signal: giveUp.signal })
  giveUp.abort()
  const error = await sending.catch((refusal: PublishError) => refusal)
  return (error as PublishError).code === 'POSTHORN_PUBLISH_ABORTED' ? undefined : error
}

/** So many bytes of headers. */
function headersOf(bytes: number): WireMessage['headers'] {
  const headers = { h: 'x'.repeat(bytes - headerBytesOf({ h: '' })) }
  expect(headerBytesOf(headers)).toBe(bytes)
  return headers
}

const tooLarge = { code: 'POSTHORN_PUBLISH_TOO_LARGE', outcome: 'notSent' }

describe('the limits of a message', () => {
  it('bound the body of what is published, and no copy: the broker has taken that once', async () => {
    const body = Buffer.alloc(maxBodyBytes + 1)
    expect(await refusalOf(published, { body })).toMatchObject(tooLarge)
    expect(await refusalOf(published, { body: body.subarray(1) })).toBeUndefined()
    for (const target of copies) expect(await refusalOf(target, { body })).toBeUndefined()
  })

  it.each([
    { frameMax: 131_072, most: 60 * 1_024, mostPublished: 48 * 1_024 },
    { frameMax: 8_192, most: 7_401, mostPublished: 3_701 },
  ])('leave room for the headers of a copy, with frames of $frameMax bytes', async (limits) => {
    const { frameMax, most, mostPublished } = limits
    expect(await refusalOf(published, { headers: headersOf(mostPublished) }, frameMax)).toBeUndefined()
    expect(await refusalOf(published, { headers: headersOf(mostPublished + 1) }, frameMax)).toMatchObject(tooLarge)
    for (const target of copies) {
      expect(await refusalOf(target, { headers: headersOf(most) }, frameMax)).toBeUndefined()
      expect(await refusalOf(target, { headers: headersOf(most + 1) }, frameMax)).toMatchObject({
        ...tooLarge,
        details: { headerBytes: most + 1, maxHeaderBytes: most },
      })
    }
  })
})
