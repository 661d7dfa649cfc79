import { createService, defineEvent, NonRetryableError, on } from '@posthorn/core'
import type { ConsumerOptions, DeadLetter, Logger } from '@posthorn/core'
import { silentLogger } from '@posthorn/core/adapter'
import type { Options } from 'amqplib'
import { beforeAll, describe, expect, it } from 'vitest'
import { eventually, openInbox, sendTo, subscriptionTo, withChannel } from './broker.js'
import { ownBroker } from './support/testBroker.js'

// It takes messages as large as brokers before 4.0 do.
const broker = ownBroker()
const mebibyte = 1_048_576

beforeAll(() => broker.control.ctl('eval', `persistent_term:put(max_message_size, ${128 * mebibyte}).`))

const failing = (destination: string, more: Partial<ConsumerOptions> = {}) => {
  const contract = defineEvent({ type: 'com.example.placed.v1', destination, schema: { type: 'object' } })
  const failed: unknown[] = []
  const fails = on(contract, ({ data }) => {
    failed.push(data)
    throw new NonRetryableError('e'.repeat(900))
  })
  return { contract, failed, consumer: { handlers: [fails], ...more } }
}

/** What the log says of headers that were left out. */
function watchingLog(): { readonly logger: Logger; readonly leftOut: string[] } {
  const leftOut: string[] = []
  const logger: Logger = {
    ...silentLogger,
    warn({ event: name, messageId, leftOut: names }) {
      if (name === 'settle.headersLeftOut') leftOut.push(`${String(messageId)}: ${String(names)}`)
    },
    child: () => logger,
  }
  return { logger, leftOut }
}

/** As any client may: around all limits of ours. */
const publishForeign = (queue: string, body: Buffer, options: Options.Publish): Promise<unknown> =>
  withChannel(async (channel) => void channel.sendToQueue(queue, body, options), broker.urls[0])

const event = (data: object): Buffer =>
  Buffer.from(JSON.stringify({ specversion: '1.0', id: 'm', source: '/test', type: 'com.example.placed.v1', data }))
const structured = 'application/cloudevents+json'

describe('a message that fails', () => {
  it('finds its way to the dead letters however long its body is, and does not hold up the others', async () => {
    const destination = broker.destination()
    const { contract, failed, consumer } = failing(destination, { maxInFlightBytes: 64 * mebibyte })
    const transport = broker.make()
    const logger = silentLogger
    const service = broker.stopping(createService({ source: '/test', transport, logger, publishes: [contract] }))
    service.consume('billing', consumer)
    await service.start()
    // Four fill `maxInFlightBytes`.
    const body = Buffer.alloc(17 * mebibyte, '{')
    for (const messageId of ['a', 'b', 'c', 'd']) {
      await publishForeign(`${destination}.billing`, body, { contentType: structured, messageId })
    }
    await publishForeign(`${destination}.billing`, event({ n: 1 }), { contentType: structured, messageId: 'm' })
    await eventually(() => failed.length === 1)
    const inbox = await openInbox(transport, subscriptionTo(destination, { source: 'dead' }))
    const found: Record<string, number | undefined> = {}
    for (let count = 0; count < 5; count += 1) {
      const delivery = await inbox.next()
      found[delivery.id!] = delivery.body?.byteLength
      delivery.complete()
    }
    const long = body.byteLength
    expect(found).toEqual({ a: long, b: long, c: long, d: long, m: event({ n: 1 }).length })
    expect(transport.health()).toMatchObject({ reconnects: 0, counts: { channelFailures: 0 } })
  })

  it('and has as many headers as can be published is dead-lettered with all of them and ours', async () => {
    const destination = broker.destination()
    const { contract, consumer } = failing(destination)
    const transport = broker.make()
    const { logger, leftOut } = watchingLog()
    const service = broker.stopping(createService({ source: '/test', transport, logger, publishes: [contract] }))
    service.consume('billing', consumer)
    const letters: DeadLetter[] = []
    service.readDeadLetters({ destination, group: 'billing' }, (letter) => void letters.push(letter))
    await service.start()
    const large = 'x'.repeat(48 * 1_024 - 20)
    const message = { body: event({}), contentType: structured, id: 'm', type: 'com.example.placed.v1' }
    await sendTo(transport, { destination }, { ...message, headers: { large } })
    await eventually(() => letters.length === 1)
    expect(letters[0]).toMatchObject({ headers: { large }, reason: 'nonRetryable', envelope: { id: 'm' } })
    expect(letters[0]?.error?.stack).toContain('largeMessages')
    expect(leftOut).toEqual([])
  })

  it.each(['fastPath', 'plain'])(
    'goes without its longest headers where somebody else wrote more than fits, and the log says so (%s)',
    async (path) => {
      const destination = broker.destination()
      const { contract, consumer } = failing(destination)
      const transport = broker.make({ fastPath: path === 'fastPath' })
      const { logger, leftOut } = watchingLog()
      const service = broker.stopping(createService({ source: '/test', transport, logger, publishes: [contract] }))
      service.consume('billing', consumer)
      const letters: DeadLetter[] = []
      service.readDeadLetters({ destination, group: 'billing' }, (letter) => void letters.push(letter))
      await service.start()
      const headers = { tenant: 'acme', larger: 'l'.repeat(40_000), large: 'x'.repeat(23_000) }
      await publishForeign(`${destination}.billing`, event({}), { contentType: structured, messageId: 'm', headers })
      await eventually(() => letters.length === 1)
      expect(letters[0]).toMatchObject({ reason: 'nonRetryable', envelope: { id: 'm' }, error: { stack: undefined } })
      expect(letters[0]?.headers).toMatchObject({ tenant: 'acme', large: headers.large })
      expect(letters[0]?.headers).not.toHaveProperty('larger')
      expect(leftOut).toEqual(['m: posthorn-error-stack, larger'])
    },
  )
})
