import { randomUUID } from 'node:crypto'
import type {
  Delivery,
  Logger,
  Receipt,
  RunningSubscription,
  Subscription,
  Target,
  Transport,
  TransportContext,
  WireMessage,
} from '@posthorn/core/adapter'
import { silentLogger, systemClock } from '@posthorn/core/adapter'
import { connect } from 'amqplib'
import type { Channel, ChannelModel } from 'amqplib'

/** The address of the broker that the test runner started. */
export function brokerUrl(): string {
  const url = process.env['POSTHORN_RABBITMQ_URL']
  if (url === undefined || url === '') {
    throw new Error('POSTHORN_RABBITMQ_URL is not set: start a broker (npm run stack -- up rabbitmq@4.3) and set it')
  }
  return url.split(',')[0] as string
}

/** Its version, as far as brokers differ for us: `4.3`. */
export async function brokerVersion(): Promise<string> {
  const model = await connect(brokerUrl())
  const { version } = model.connection.serverProperties
  await model.close()
  return version.split('.').slice(0, 2).join('.')
}

export const contextOf = (logger: Logger = silentLogger): TransportContext => ({ logger, clock: systemClock })

export const after = (ms: number): number => systemClock.monotonic() + ms
export const within = (ms: number): { deadline: number } => ({ deadline: after(ms) })

/** A name that no other test uses, so that tests do not meet on one broker. */
export const uniqueDestination = (): string => `t-${randomUUID()}`

export function message(fields: Partial<WireMessage> = {}): WireMessage {
  const id = fields.id ?? randomUUID()
  return {
    body: Buffer.from(JSON.stringify({ id })),
    contentType: 'application/json',
    type: 'com.example.placed.v1',
    headers: {},
    ...fields,
    id,
  }
}

export function subscriptionTo(destination: string, fields: Partial<Subscription> = {}): Subscription {
  return {
    destination,
    group: 'billing',
    source: 'work',
    types: 'all',
    rungsMs: [],
    ordered: false,
    maxInFlight: 100,
    maxInFlightBytes: 64 * 1024 * 1024,
    ...fields,
  }
}

/** Collects deliveries; `next` waits for the first one that it has not given out. */
export interface Inbox {
  readonly all: Delivery[]
  readonly running: RunningSubscription
  next(timeoutMs?: number): Promise<Delivery>
}

export async function openInbox(
  transport: Transport,
  subscription: Subscription,
  onDelivery: (delivery: Delivery) => void = () => {},
  deadlineMs = 60_000,
): Promise<Inbox> {
  const all: Delivery[] = []
  const unread: Delivery[] = []
  const readers: ((delivery: Delivery) => void)[] = []
  const running = await transport.subscribe(
    subscription,
    (deliveries) => {
      for (const delivery of deliveries) {
        all.push(delivery)
        const reader = readers.shift()
        if (reader === undefined) unread.push(delivery)
        else reader(delivery)
        onDelivery(delivery)
      }
    },
    within(deadlineMs),
  )
  return {
    all,
    running,
    next(timeoutMs = 60_000) {
      const ready = unread.shift()
      if (ready !== undefined) return Promise.resolve(ready)
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`no delivery within ${timeoutMs} ms`)), timeoutMs)
        readers.push((delivery) => {
          clearTimeout(timer)
          resolve(delivery)
        })
      })
    },
  }
}

export const sendTo = (transport: Transport, target: Target, one: WireMessage = message()): Promise<Receipt> =>
  transport.send(target, one, within(60_000))

/** Looks at a condition again and again until it holds. */
export async function eventually(check: () => unknown, timeoutMs = 60_000): Promise<void> {
  const end = after(timeoutMs)
  for (;;) {
    if ((await check()) === true) return
    if (systemClock.monotonic() > end) throw new Error(`did not happen within ${timeoutMs} ms: ${check.toString()}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** A bare client beside the adapter, to look at the broker and to disturb it. */
export async function withChannel<T>(use: (channel: Channel) => Promise<T>, url: string = brokerUrl()): Promise<T> {
  const model: ChannelModel = await connect(url)
  model.on('error', () => {})
  const channel = await model.createChannel()
  channel.on('error', () => {})
  try {
    const result = await use(channel)
    await channel.close() // The close of the connection would overtake what the channel has buffered.
    return result
  } finally {
    await model.close()
  }
}

/** The ids that stand in a queue, taken out of it. */
export const takeAll = (queue: string, url: string = brokerUrl()): Promise<string[]> =>
  withChannel((channel) => takeAllOn(channel, queue), url)

/** The same for a queue of one connection alone. */
export async function takeAllOn(channel: Channel, queue: string): Promise<string[]> {
  const ids: string[] = []
  for (;;) {
    const found = await channel.get(queue, { noAck: true })
    if (found === false) return ids
    ids.push(String(found.properties.messageId))
  }
}

export const deleteQueue = (name: string): Promise<unknown> => withChannel((channel) => channel.deleteQueue(name))
export const deleteExchange = (name: string): Promise<unknown> => withChannel((channel) => channel.deleteExchange(name))

/** Removes what a test left on the shared broker. */
export async function removeAll(
  destinations: Iterable<string>,
  group = 'billing',
  rungs: readonly number[] = [],
): Promise<void> {
  await withChannel(async (channel) => {
    for (const destination of destinations) {
      await channel.deleteExchange(destination)
      const work = `${destination}.${group}`
      for (const queue of [work, `${work}.dead`, ...rungs.map((rung) => `${work}.retry.${rung}`)]) {
        await channel.deleteQueue(queue)
      }
    }
  })
}
