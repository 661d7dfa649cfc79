import { targetName } from '../src/resourceNames.js'
import type {
  Capabilities,
  Declaration,
  Delivery,
  Receipt,
  RunningSubscription,
  SendOptions,
  Subscription,
  Target,
  Transport,
  TransportHealth,
  WireMessage,
} from '../src/ports.js'
import { transportHealth } from '../src/transportHealth.js'

/** One `send` as the core made it. */
export interface Sent {
  readonly target: Target
  readonly name: string
  readonly message: WireMessage
  readonly options: SendOptions
}

export type End = 'complete' | 'release'

/** A delivery that remembers how it was settled. */
export interface FakeDelivery extends Delivery {
  readonly ends: readonly End[]
}

export interface FakeSubscription {
  readonly subscription: Subscription
  readonly options: SendOptions
  readonly onDeliveries: (deliveries: readonly Delivery[]) => void
  stopped: boolean
}

type Answer = (sent: Sent) => Promise<Receipt>

/** A transport that does what a test says, and remembers everything in order. */
export interface FakeTransport extends Transport {
  readonly sent: Sent[]
  /** `sent orders.billing.dead m-1`, `confirmed …`, `complete m-1`, `release m-1`, in the order of events. */
  readonly log: string[]
  readonly subscriptions: FakeSubscription[]
  readonly declared: Declaration[]
  readonly deliveries: FakeDelivery[]
  /** Replaced by tests: how a send ends. */
  answer: Answer
  /** Replaced by tests. */
  onConnect: (options: SendOptions) => Promise<void>
  onSubscribe: (subscription: Subscription, options: SendOptions) => Promise<void>
  onStop: (deadline: number) => Promise<void>
  onClose: (deadline: number) => Promise<void>
  objections: (declaration: Declaration) => readonly string[]
  /** Replaced by tests: called when a delivery is settled. */
  onEnd: (id: string, end: End) => void
  closed: number
  /** As long as it is not closed. */
  state: TransportHealth['state']
  connects: number
  deliver(delivery: Partial<Delivery> & { readonly destination?: string }): FakeDelivery
  deliverAll(deliveries: readonly (Partial<Delivery> & { readonly destination?: string })[]): FakeDelivery[]
  /** Gives a copy back to the group, as a rung does when its delay is over. */
  redeliver(sent: Sent): FakeDelivery
  /** Sends to targets of one kind. */
  sentTo(kind: 'destination' | 'retry' | 'dead' | 'group'): Sent[]
}

export const fullCapabilities: Capabilities = {
  routed: true,
  ordered: true,
  countsRedeliveries: true,
  maxHoldMs: undefined,
  maxBodyBytes: 16_777_216,
  binaryPrefix: 'ce_',
}

const confirmed: Answer = async () => ({ routed: true })

export function createFakeTransport(capabilities: Partial<Capabilities> = {}): FakeTransport {
  const log: string[] = []
  const sent: Sent[] = []
  const deliveries: FakeDelivery[] = []
  const subscriptions: FakeSubscription[] = []
  const declared: Declaration[] = []
  let numbered = 0

  function makeDelivery(partial: Partial<Delivery>): FakeDelivery {
    const ends: End[] = []
    const id = partial.id ?? `d-${(numbered += 1)}`
    const end = (kind: End): void => {
      ends.push(kind)
      log.push(`${kind} ${id}`)
      transport.onEnd(id, kind)
    }
    const delivery: FakeDelivery = {
      body: null,
      headers: Object.create(null) as Record<string, string>,
      contentType: '',
      address: 'orders.billing',
      ...partial,
      id,
      ends,
      complete: () => end('complete'),
      release: () => end('release'),
    }
    deliveries.push(delivery)
    return delivery
  }

  function subscriptionOf(destination: string | undefined): FakeSubscription {
    const found = subscriptions.find(
      ({ subscription, stopped }) =>
        !stopped && (destination === undefined || subscription.destination === destination),
    )
    if (found === undefined) throw new Error(`nobody is subscribed to ${destination ?? 'anything'}`)
    return found
  }

  const transport: FakeTransport = {
    system: 'fake',
    capabilities: { ...fullCapabilities, ...capabilities },
    sent,
    log,
    subscriptions,
    declared,
    deliveries,
    answer: confirmed,
    onConnect: async () => {},
    onSubscribe: async () => {},
    onStop: async () => {},
    onClose: async () => {},
    objections: () => [],
    onEnd: () => {},
    closed: 0,
    state: 'ready',
    connects: 0,
    check(declaration) {
      declared.push(declaration)
      return transport.objections(declaration)
    },
    async connect(_context, _publishes, options) {
      transport.connects += 1
      await transport.onConnect(options)
    },
    async send(target, message, options) {
      const one: Sent = { target, name: targetName(target), message, options }
      sent.push(one)
      log.push(`sent ${one.name} ${message.id}`)
      const receipt = await transport.answer(one)
      log.push(`confirmed ${one.name} ${message.id}`)
      return receipt
    },
    async subscribe(subscription, onDeliveries, options): Promise<RunningSubscription> {
      await transport.onSubscribe(subscription, options)
      const own: FakeSubscription = { subscription, onDeliveries, options, stopped: false }
      subscriptions.push(own)
      return {
        async stop(deadline) {
          own.stopped = true
          log.push(`stop ${subscription.destination}.${subscription.group}`)
          await transport.onStop(deadline)
        },
      }
    },
    health: () => ({
      ...transportHealth({ system: 'fake', state: transport.closed > 0 ? 'closed' : transport.state }),
      state: transport.closed > 0 ? 'closed' : transport.state,
      addresses: ['fake:1'],
      reconnects: 0,
    }),
    async close(deadline) {
      transport.closed += 1
      log.push('close')
      await transport.onClose(deadline)
    },
    deliver: (partial) => transport.deliverAll([partial])[0]!,
    deliverAll(list) {
      const made = list.map(({ destination, ...partial }) => ({ destination, delivery: makeDelivery(partial) }))
      const target = subscriptionOf(made[0]?.destination)
      target.onDeliveries(made.map(({ delivery }) => delivery))
      return made.map(({ delivery }) => delivery)
    },
    redeliver({ message }) {
      const { body, headers, contentType, id, partitionKey } = message
      return transport.deliver({
        body,
        headers: Object.assign(Object.create(null), headers) as Record<string, string>,
        contentType,
        id,
        ...(partitionKey === undefined ? {} : { partitionKey }),
      })
    },
    sentTo: (kind) => sent.filter(({ target }) => kind in target),
  }
  return transport
}

/** A promise that a test settles by hand. */
export interface Gate<T = void> {
  readonly promise: Promise<T>
  open(value: T): void
  fail(error: unknown): void
}

export function createGate<T = void>(): Gate<T> {
  let open!: (value: T) => void
  let fail!: (error: unknown) => void
  const promise = new Promise<T>((resolve, reject) => {
    open = resolve
    fail = reject
  })
  return { promise, open, fail }
}

/** A promise that never settles. */
export const never = <T>(): Promise<T> => new Promise<T>(() => {})
