import type { Contract } from '@posthorn/contracts'
import { createService, silentLogger } from '@posthorn/core'
import type { Clock, DeadLetter, Logger, PublishOptions, Service, Transport, WireFormat } from '@posthorn/core'
import type { WireMessage } from '@posthorn/core/adapter'
import { createMemory, createMemoryBroker, createVirtualClock } from '@posthorn/memory'
import type { MemoryBroker, VirtualClock } from '@posthorn/memory'
import { createCapture } from './capture.js'
import type { Capture, Published } from './capture.js'
import { trackForeground } from './foregroundTimers.js'
import { advanceUntil, waitUntilIdle } from './idle.js'

/** What a service under test is made with: spread it into `createService`. */
export interface Surroundings {
  /** To the harness's broker; each service gets its own. */
  readonly transport: Transport
  /** Stands still until the harness moves it. */
  readonly clock: Clock
  readonly logger: Logger
}

/** A service, or something of yours that has one. */
export type Testable = Service | { readonly service: Service }

/** How a harness is made. */
export interface HarnessOptions {
  /** What the virtual clock shows at first, in epoch milliseconds. @default 2026-01-01T00:00:00Z */
  readonly startAt?: number
  /** @default silent */
  readonly logger?: Logger
  /** Formats of destinations whose messages are no CloudEvents, as `createService` takes them. @default none */
  readonly wireFormats?: Readonly<Record<string, WireFormat>>
  /** Real time until `idle()` gives up, in milliseconds. More for handlers with slow I/O. @default 5_000 */
  readonly timeoutMs?: number
}

/** Services on a broker in this process, in virtual time. */
export interface Harness extends AsyncDisposable {
  readonly broker: MemoryBroker
  readonly clock: VirtualClock
  /** Publishes as another service would; rejects when no service of the harness listens (`mustRoute: false` allows it). */
  deliver<Data>(contract: Contract<Data>, data: Data, options?: PublishOptions): Promise<{ readonly id: string }>
  /** Puts bytes on a destination as they are, for what no publisher would let out. */
  deliverRaw(destination: string, message: Partial<WireMessage> & Pick<WireMessage, 'type'>): Promise<void>
  /**
   * Resolves when everything is handled: delayed retries included, since virtual time moves to each of them. Rejects
   * with a `NotIdleError` that says what is left when real time is over.
   */
  idle(): Promise<void>
  /** Moves virtual time by `ms`, and lets everything happen that is due; rejects as `idle` when that has no end. */
  advance(ms: number): Promise<void>
  /** What the services published of a contract, or in all; what `deliver` published is not theirs. */
  published<Data>(contract: Contract<Data>): readonly Published<Data>[]
  published(): readonly Published[]
  /** What was dead-lettered, in its order. */
  deadLetters(): readonly DeadLetter[]
}

/** A harness around one service, or what has one. */
export interface AppHarness<App> extends Harness {
  /** What the factory made. */
  readonly app: App
}

/** A harness around several. */
export interface AppsHarness<Apps> extends Harness {
  /** What the factories made, by their names. */
  readonly apps: Apps
}

type Factory<App> = (surroundings: Surroundings) => App | Promise<App>

/**
 * Starts one service on a broker of its own, in virtual time. Throws what the factory throws, and a `ConfigurationError`
 * when the service does not take the clock. Dispose of it, or the service runs on.
 */
export async function createHarness<App extends Testable>(
  make: Factory<App>,
  options: HarnessOptions = {},
): Promise<AppHarness<App>> {
  const { apps, ...harness } = await createHarnessOf({ app: make }, options)
  return { ...harness, app: apps.app }
}

/** Starts several services that talk to each other on one broker: `createHarnessOf({ users: makeUsers, … })`. */
export async function createHarnessOf<Apps extends Readonly<Record<string, Testable>>>(
  makers: { readonly [Name in keyof Apps]: Factory<Apps[Name]> },
  options: HarnessOptions = {},
): Promise<AppsHarness<Apps>> {
  const { startAt, logger = silentLogger, wireFormats = {}, timeoutMs = 5_000 } = options
  const virtual = createVirtualClock(startAt)
  const { clock, nextDue } = trackForeground(virtual)
  const broker = createMemoryBroker({ clock })
  const capture = createCapture({ clock, wireFormats })
  const made: [string, Testable][] = []
  for (const [name, make] of Object.entries(makers) as [string, Factory<Testable>][]) {
    made.push([name, await make({ transport: capture.wrap(createMemory({ broker })), clock, logger })])
  }
  const services = made.map(([, app]) => serviceOf(app))
  const activity = { services, broker, clock: virtual, nextDue, timeoutMs }
  const outside = createMemory({ broker })
  const publisher = createService({ source: '/harness', transport: outside, clock, logger, wireFormats })
  const dispose = (): Promise<void> => stopAll([...services, publisher], { clock: virtual, broker })
  await Promise.all([...services, publisher].map((service) => service.start())).catch(async (error: unknown) => {
    await dispose()
    throw error
  })
  return {
    apps: Object.fromEntries(made) as Apps,
    broker,
    clock: virtual,
    ...deliveries(publisher, outside, clock),
    idle: () => waitUntilIdle(activity),
    advance: (ms) => advanceUntil(performance.now() + timeoutMs, ms, activity),
    ...views(capture),
    [Symbol.asyncDispose]: dispose,
  }
}

function serviceOf(app: Testable): Service {
  return 'service' in app ? app.service : app
}

function views({ published, deadLetters }: Capture): Pick<Harness, 'published' | 'deadLetters'> {
  return {
    published: <Data>(contract?: Contract<Data>) =>
      published.filter(
        ({ envelope }) => contract === undefined || envelope.type === contract.type,
      ) as Published<Data>[],
    deadLetters: () => [...deadLetters],
  }
}

function deliveries(publisher: Service, outside: Transport, clock: Clock): Pick<Harness, 'deliver' | 'deliverRaw'> {
  return {
    deliver: (contract, data, options = {}) => publisher.publish(contract, data, { mustRoute: true, ...options }),
    async deliverRaw(destination, message) {
      const wire = { body: null, contentType: '', id: 'raw', headers: {}, ...message }
      await outside.send({ destination }, wire, { deadline: clock.monotonic() + 30_000 })
    },
  }
}

/** Stops the services; a handler that hangs is given up in virtual time, so that no test waits for it. */
async function stopAll(
  services: readonly Service[],
  { clock, broker }: { readonly clock: VirtualClock; readonly broker: MemoryBroker },
): Promise<void> {
  let stopped = false
  const stopping = Promise.allSettled(services.map((service) => service.stop())).then(() => (stopped = true))
  while (!stopped) await clock.advance(1_000)
  await stopping
  broker.close()
}
