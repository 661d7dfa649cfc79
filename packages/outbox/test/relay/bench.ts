import { silentLogger } from '@posthorn/core'
import type { Logger } from '@posthorn/core'
import { PublishError, transportHealth } from '@posthorn/core/adapter'
import type { Receipt, SendOptions, Target, Transport, TransportHealth, WireMessage } from '@posthorn/core/adapter'
import { createMemory, createVirtualClock } from '@posthorn/memory'
import type { VirtualClock } from '@posthorn/memory'
import { afterEach } from 'vitest'
import { createMemoryStore, createRelay } from '../../src/index.js'
import type { MemoryStore, NewEntry, Relay, RelayOptions } from '../../src/index.js'

/** An entry of a key; its message's id is `key-n`. */
export function entryOf(key: string, n: number, changes: Partial<NewEntry> = {}): NewEntry {
  return {
    destination: 'orders',
    mustRoute: false,
    message: {
      body: Buffer.from(String(n)),
      contentType: 'application/json',
      id: `${key}-${n}`,
      type: 'com.example.noted.v1',
      partitionKey: key,
      headers: {},
    },
    ...changes,
  }
}

export function entriesOf(key: string, count: number): NewEntry[] {
  return Array.from({ length: count }, (_, index) => entryOf(key, index + 1))
}

/** One send that a test answers. */
export interface Sending {
  readonly target: Target
  readonly message: WireMessage
  readonly options: SendOptions
}

/** What becomes of a send: confirmed, or rejected with what is thrown. */
export type Answer = (sending: Sending) => Promise<Receipt>

/** A transport whose sends a test sees and answers; the rest is memory's. */
export interface TestTransport extends Transport {
  /** Ids in the order of the sends, those that failed included. */
  readonly sent: string[]
  /** Ids in the order of the confirmations. */
  readonly confirmed: string[]
  answer: Answer
  state: TransportHealth['state'] | undefined
}

export const confirmed: Answer = () => Promise.resolve({ routed: true })

export function createTestTransport(): TestTransport {
  const inner = createMemory()
  const transport: TestTransport = {
    ...inner,
    sent: [],
    confirmed: [],
    answer: confirmed,
    state: undefined,
    async send(target, message, options) {
      transport.sent.push(message.id)
      const receipt = await transport.answer({ target, message, options })
      transport.confirmed.push(message.id)
      return receipt
    },
    health() {
      const { state } = transport
      const told = inner.health()
      return state === undefined ? told : { ...told, ...transportHealth({ system: 'memory', state }), state }
    },
  }
  return transport
}

export function refusal(code: PublishError['code'], retryable?: boolean): PublishError {
  return new PublishError({
    code,
    message: code,
    outcome: 'notSent',
    ...(retryable === undefined ? {} : { retryable }),
  })
}

/** A log that a test reads. */
export function createTestLogger(): Logger & { readonly records: Record<string, unknown>[] } {
  const records: Record<string, unknown>[] = []
  const write =
    (level: string) =>
    (facts: Readonly<Record<string, unknown>>, message: string): void =>
      void records.push({ level, ...facts, message })
  const logger: Logger & { readonly records: Record<string, unknown>[] } = {
    ...silentLogger,
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: () => logger,
    records,
  }
  return logger
}

/** A relay on a virtual clock, with its store and its transport. */
export interface RelayBench {
  readonly clock: VirtualClock
  readonly store: MemoryStore
  readonly transport: TestTransport
  readonly relay: Relay
  readonly logger: ReturnType<typeof createTestLogger>
  commit(entries: readonly NewEntry[]): Promise<void>
  /** Another relay on the same store. */
  another(options?: Partial<RelayOptions>): { relay: Relay; transport: TestTransport }
}

const open: { readonly relay: Relay; readonly clock: VirtualClock }[] = []

afterEach(async () => {
  for (const { relay, clock } of open.splice(0)) {
    const stopping = relay.stop({ deadlineMs: 10 })
    await clock.advance(20)
    await stopping
  }
})

export interface BenchOptions extends Omit<Partial<RelayOptions>, 'store' | 'transport' | 'clock'> {
  readonly partitionCount?: number
  readonly decorate?: (store: MemoryStore) => MemoryStore
}

export function createBench({ partitionCount = 8, decorate, ...options }: BenchOptions = {}): RelayBench {
  const clock = createVirtualClock()
  const inner = createMemoryStore({ clock, partitionCount })
  const store = decorate?.(inner) ?? inner
  const logger = createTestLogger()
  function another(changes: Partial<RelayOptions> = {}): { relay: Relay; transport: TestTransport } {
    const transport = createTestTransport()
    const relay = createRelay({ store, transport, clock, logger, ...options, ...changes })
    open.push({ relay, clock })
    return { relay, transport }
  }
  return {
    clock,
    store,
    logger,
    ...another(),
    another,
    commit: (entries) => inner.transaction((tx) => inner.insert(tx, entries)),
  }
}
