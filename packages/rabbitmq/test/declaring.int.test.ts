import { describe, expect, it } from 'vitest'
import { openInbox, sendTo, subscriptionTo, withChannel } from './broker.js'
import { sharedBroker } from './support/testBroker.js'

const { destination, connected } = sharedBroker({ rungs: [300] })

/** The rung as it is declared, but for one argument. */
const declareRung = (orders: string, changed: Record<string, unknown>): Promise<unknown> =>
  withChannel((channel) =>
    channel.assertQueue(`${orders}.billing.retry.300`, {
      arguments: {
        'x-queue-type': 'quorum',
        'x-overflow': 'reject-publish',
        'x-dead-letter-exchange': '',
        'x-dead-letter-routing-key': `${orders}.billing`,
        'x-dead-letter-strategy': 'at-least-once',
        'x-message-ttl': 300,
        ...changed,
      },
    }),
  )

describe('declaring on RabbitMQ', () => {
  it('refuses a rung that exists with another TTL, and costs nobody who publishes meanwhile', async () => {
    const orders = destination()
    await declareRung(orders, { 'x-message-ttl': 999 })
    const transport = await connected([orders])
    let isOver = false
    const refused = openInbox(transport, subscriptionTo(orders, { rungsMs: [300] })).finally(() => (isOver = true))
    const publishing = (async () => {
      for (let count = 0; !isOver || count < 100; count += 1) await sendTo(transport, { destination: orders })
    })()
    await expect(refused).rejects.toMatchObject({
      code: 'POSTHORN_TOPOLOGY_MISMATCH',
      retryable: false,
      details: { resource: `queue "${orders}.billing.retry.300"`, expected: { 'x-message-ttl': 300 } },
      message: expect.stringMatching(/x-message-ttl.*999/s) as string,
    })
    await publishing
    expect(transport.health()).toMatchObject({ state: 'ready', reconnects: 0, counts: { channelFailures: 0 } })
  })

  it.each([
    ['x-overflow', 'drop-head'],
    ['x-dead-letter-strategy', 'at-most-once'],
  ])('refuses a rung whose %s is %s: it could drop what was confirmed', async (name, value) => {
    const orders = destination()
    await declareRung(orders, { [name]: value, ...(value === 'drop-head' ? atMostOnce : {}) })
    await openInbox(await connected([orders]), subscriptionTo(orders)) // Everything else is there, also for "verify".
    for (const topology of ['apply', 'verify'] as const) {
      const transport = await connected([orders], { topology })
      await expect(openInbox(transport, subscriptionTo(orders, { rungsMs: [300] }))).rejects.toMatchObject({
        code: 'POSTHORN_TOPOLOGY_MISMATCH',
        message: expect.stringContaining(name) as string,
      })
    }
  })
})

/** RabbitMQ warns of at-least-once together with drop-head, and uses this. */
const atMostOnce = { 'x-dead-letter-strategy': 'at-most-once' }
