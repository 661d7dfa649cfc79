import { randomInt } from 'node:crypto'
import type { PublishError, Transport, WireMessage } from '@posthorn/core/adapter'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRabbitMq } from '../src/index.js'
import type { Inbox } from './broker.js'
import {
  after,
  brokerUrl,
  contextOf,
  message,
  openInbox,
  removeAll,
  sendTo,
  subscriptionTo,
  uniqueDestination,
  within,
} from './broker.js'
import { seededRandom } from '../../../test/seededRandom.js'

const orders = uniqueDestination()
let transport: Transport
let inbox: Inbox

beforeAll(async () => {
  transport = createRabbitMq({ urls: [brokerUrl()] })
  await transport.connect(contextOf(), [orders], within(20_000))
  inbox = await openInbox(transport, subscriptionTo(orders), (delivery) => delivery.complete())
})
afterAll(async () => {
  await transport.close(after(5_000))
  await removeAll([orders])
})

type Random = () => number

const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)] as T

const alphabet = ['a', 'Z', '0', ' ', '"', '\\', '\0', '\n', 'ß', '€', 'ñ', '漢', '🐘', '\u2028', '\ufeff', "'"]

function textOf(random: Random, maxLength: number): string {
  return Array.from({ length: Math.floor(random() * maxLength) }, () => pick(random, alphabet)).join('')
}

/** What JavaScript lets people put where a string is asked for. */
const noStrings: readonly ((random: Random) => unknown)[] = [
  () => 10n ** 30n,
  () => Number.NaN,
  () => Infinity,
  () => -Infinity,
  () => undefined,
  () => null,
  () => new Date(0),
  () => new Date(Number.NaN),
  () => Symbol('odd'),
  () => () => 'odd',
  () => ['a', 'b'],
  () => ({ '!': 'timestamp', value: 1 }),
  () => Buffer.from('bytes'),
  () => true,
  (random) => Math.floor(random() * 2 ** 53),
  (random) => Object(textOf(random, 5)) as unknown,
]

interface Case {
  readonly headers: Record<string, unknown>
  readonly isSendable: boolean
}

function caseOf(random: Random): Case {
  const headers: Record<string, unknown> = {}
  for (let count = Math.floor(random() * 6); count >= 0; count -= 1) headers[textOf(random, 20)] = textOf(random, 200)
  const kind = random()
  if (kind < 0.4) return { headers, isSendable: true }
  if (kind < 0.8) return { headers: { ...headers, odd: pick(random, noStrings)(random) }, isSendable: false }
  if (kind < 0.9) return { headers: { ...headers, huge: '€'.repeat(24_000) }, isSendable: false }
  return { headers: { ...headers, ['n'.repeat(256)]: 'a name of 256 bytes' }, isSendable: false }
}

describe('header values', () => {
  it('arrive as they are, or are refused as notSent; none of them costs the channel', async () => {
    const seed = randomInt(2 ** 31)
    const random = seededRandom(seed)
    const cases = Array.from({ length: 500 }, () => caseOf(random))
    const sent = cases.map((one) => message({ headers: one.headers as WireMessage['headers'] }))
    const answers = await Promise.all(
      sent.map((one) => sendTo(transport, { destination: orders }, one).catch((error: PublishError) => error)),
    )
    for (const [index, { isSendable }] of cases.entries()) {
      const expected = isSendable
        ? { routed: true }
        : { code: expect.stringMatching(/_FAILED$|_TOO_LARGE$/) as string, outcome: 'notSent' }
      expect(answers[index], `case ${index} of seed ${seed}`).toMatchObject(expected)
    }
    const good = sent.filter((_, index) => cases[index]?.isSendable)
    await expect.poll(() => inbox.all.length).toBe(good.length)
    // By id: an unordered group may get its first messages out of turn, while it asks for more at once.
    const found = new Map(inbox.all.map((delivery) => [delivery.id, delivery]))
    for (const one of good) expect({ ...found.get(one.id)?.headers }, `seed ${seed}`).toEqual(one.headers)
    expect(transport.health()).toMatchObject({ state: 'ready', reconnects: 0, counts: { channelFailures: 0 } })
  })
})
