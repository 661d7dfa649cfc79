import { afterAll, afterEach, beforeAll } from 'vitest'
import { acquireRabbitMq } from '../../../../test/stack/src/index.js'
import type {
  AcquireRabbitMqOptions,
  RabbitMq,
  RabbitMqControl,
  RabbitMqVersion,
} from '../../../../test/stack/src/index.js'
import { createRabbitMq } from '../../src/index.js'
import type { RabbitMqOptions, RabbitMqTransport } from '../../src/index.js'
import {
  after,
  brokerUrl,
  brokerVersion,
  contextOf,
  deleteQueue,
  removeAll,
  uniqueDestination,
  within,
} from '../broker.js'

/** A broker for the tests of a file. What they open is closed after each of them, and what they left is removed. */
export interface TestBroker {
  /** A destination that no other test uses. */
  destination(): string
  /** A transport that is closed after the test. */
  make(options?: Partial<RabbitMqOptions>): RabbitMqTransport
  /** One that is connected. */
  connected(publishes?: readonly string[], options?: Partial<RabbitMqOptions>): Promise<RabbitMqTransport>
  /** Stops a service after the test. */
  stopping<T extends { stop(): Promise<unknown> }>(service: T): T
  /** Closes a proxy after the test, when what went through it is closed. */
  closing<T extends { close(): Promise<unknown> }>(proxy: T): T
}

/** What tests leave on a broker that they share, beside the exchange and the queues of the group `billing`. */
export interface Leavings {
  readonly groups?: readonly string[]
  readonly rungs?: readonly number[]
  /** Endings of further queues, behind the destination. */
  readonly queues?: readonly string[]
  /** Of all transports, unless a test says otherwise. */
  readonly options?: Partial<RabbitMqOptions>
}

/** The broker that the test runner started, and that other files use too. */
export function sharedBroker(leavings: Leavings = {}): TestBroker {
  const { groups = ['billing'], rungs = [], queues = [], options } = leavings
  return testBroker({
    urls: () => [brokerUrl()],
    ...(options === undefined ? {} : { options }),
    async remove(destinations) {
      for (const group of groups) await removeAll(destinations, group, rungs)
      for (const name of destinations) for (const ending of queues) await deleteQueue(name + ending)
    },
  })
}

/** A broker of the file's own, to be killed, cut off and asked by `rabbitmqctl`. */
export interface OwnBroker extends TestBroker {
  readonly urls: readonly string[]
  readonly control: RabbitMqControl
  /** With what else the stack says of it. */
  readonly acquired: RabbitMq
}

/** Starts it before the first test, unless told otherwise in the version that the other tests use: for the runs on older ones. */
export function ownBroker(wanted: Omit<AcquireRabbitMqOptions, 'fresh'> = {}): OwnBroker {
  let acquired: RabbitMq | undefined
  const started = (): RabbitMq => {
    if (acquired === undefined) throw new Error('it is started before the first test, and not before')
    return acquired
  }
  beforeAll(async () => {
    const version = wanted.version ?? ((await brokerVersion()) as RabbitMqVersion)
    acquired = await acquireRabbitMq({ ...wanted, fresh: true, version })
  })
  afterAll(() => acquired?.release())
  return {
    ...testBroker({ urls: () => started().urls, remove: () => Promise.resolve() }),
    get urls() {
      return started().urls
    },
    get control() {
      const { control } = started()
      if (control === undefined) throw new Error('these tests disturb their broker: they need one of their own')
      return control
    },
    get acquired() {
      return started()
    },
  }
}

interface Parts {
  readonly options?: Partial<RabbitMqOptions>
  urls(): readonly string[]
  remove(destinations: readonly string[]): Promise<void>
}

function testBroker({ options: common, urls, remove }: Parts): TestBroker {
  const ends: (() => Promise<unknown>)[] = []
  const lastEnds: (() => Promise<unknown>)[] = []
  const used: string[] = []

  afterEach(async () => {
    await Promise.all(ends.splice(0).map((end) => end()))
    await Promise.all(lastEnds.splice(0).map((end) => end()))
    await remove(used.splice(0))
  })

  function make(options: Partial<RabbitMqOptions> = {}): RabbitMqTransport {
    const one = createRabbitMq({ urls: urls(), ...common, ...options })
    ends.push(() => one.close(after(5_000)))
    return one
  }

  return {
    destination() {
      const name = uniqueDestination()
      used.push(name)
      return name
    },
    make,
    async connected(publishes = [], options = {}) {
      const one = make(options)
      await one.connect(contextOf(), publishes, within(60_000))
      return one
    },
    stopping(service) {
      ends.push(() => service.stop())
      return service
    },
    closing(proxy) {
      lastEnds.push(() => proxy.close())
      return proxy
    },
  }
}
