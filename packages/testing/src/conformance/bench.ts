import { randomUUID } from 'node:crypto'
import type { Contract } from '@posthorn/contracts'
import { createService, silentLogger, systemClock } from '@posthorn/core'
import type {
  Consumer,
  ConsumerHealth,
  ConsumerOptions,
  DeadLetter,
  Handler,
  Service,
  ServiceOptions,
} from '@posthorn/core'
import type { Capabilities, SendOptions, Transport } from '@posthorn/core/adapter'
import { createDeadLetterProbe } from '../probes/deadLetterProbe.js'
import { eventually } from '../probes/eventually.js'
import { createMessageProbe } from '../probes/messageProbe.js'
import type { MessageProbe } from '../probes/messageProbe.js'
import { createProbe } from '../probes/probe.js'
import type { Probe } from '../probes/probe.js'
import type { ConformanceSetup, ConformanceTiming } from './conformanceCase.js'
import { contractsFor } from './messages.js'
import type { CaseContracts, Note } from './messages.js'

/** Something that a case lets happen when it wants to. */
export interface Gate {
  /** Resolves when the gate is open. */
  pass(): Promise<void>
  open(): void
}

/** One group that runs. */
export interface RunningGroup {
  readonly service: Service
  readonly consumer: Consumer
}

/** What a case may tell of its service. */
export type BenchServiceOptions = Partial<ServiceOptions>

/** The surroundings of one case: names of its own, services and transports that are stopped at its end. */
export interface Bench extends CaseContracts {
  readonly timing: ConformanceTiming
  readonly capabilities: Capabilities
  readonly secret: string | undefined
  readonly destination: string
  /** Contracts on a second destination of this case. */
  readonly second: CaseContracts
  /** An unopened transport, closed at the end. */
  transport(): Transport
  unreachable(): Transport
  /** A transport that is connected, for cases that look below the core. */
  connected(transport?: Transport): Promise<Transport>
  /** A service that is not started; it declares that it publishes to the destination of the case. */
  service(options?: BenchServiceOptions): Service
  /** A running service without a group. */
  publisher(options?: BenchServiceOptions): Promise<Service>
  /** A running service with one group. */
  group(name: string, options: ConsumerOptions, service?: BenchServiceOptions): Promise<RunningGroup>
  /** Reads the dead letters of a group of this case by a service of its own. */
  deadLetters(group: string, destination?: string): Promise<Probe<DeadLetter>>
  /** Collects the calls of one contract's handler; waits as long as the broker may need. */
  seen(contract?: Contract<Note>, handler?: Handler<Note>): MessageProbe<Note>
  probe<Item>(name: string): Probe<Item>
  eventually<Value>(what: string, read: () => Value, accepts: (value: Value) => boolean): Promise<Value>
  /** Waits until the consumer's health says exactly this. */
  counted(consumer: Consumer, counts: Partial<ConsumerHealth>): Promise<void>
  /** Opened at the end at the latest, so that a handler that waits for it does not outlive its case. */
  gate(): Gate
  /** The deadline of one call of a port. */
  soon(waitMs?: number): SendOptions
  /** Stops everything; called by the runner. */
  close(): Promise<void>
}

const defaultTiming: ConformanceTiming = {
  rungMs: 300,
  waitMs: 30_000,
  stopMs: 2_000,
  unreachableMs: 1_000,
  caseMs: 60_000,
}

/** Sets a case up. Nothing is opened before the case asks for it. */
export function createBench(setup: ConformanceSetup): Bench {
  const timing = { ...defaultTiming, ...setup.timing }
  const timeoutMs = timing.waitMs
  const destination = `conformance.${randomUUID().slice(0, 13)}`
  const contracts = contractsFor(destination)
  // One is enough for the destination to exist; each costs a service the compilation of its schema.
  const publishes: readonly Contract[] = [contracts.noted]
  const services: Service[] = []
  const transports: Transport[] = []
  const gates: Gate[] = []

  function transport(make = setup.createTransport): Transport {
    const made = make()
    transports.push(made)
    return made
  }

  function service(options: BenchServiceOptions = {}): Service {
    const made = createService({
      source: '/conformance',
      transport: options.transport ?? transport(),
      logger: silentLogger,
      publishes,
      ...options,
    })
    services.push(made)
    return made
  }

  const soon = (waitMs = timeoutMs): SendOptions => ({ deadline: systemClock.monotonic() + waitMs })
  const start = (started: Service): Promise<void> => started.start({ deadlineMs: timeoutMs })

  return {
    ...contracts,
    timing,
    capabilities: setup.capabilities,
    secret: setup.secret,
    destination,
    second: contractsFor(`${destination}.second`, 'second'),
    transport,
    unreachable: () => transport(setup.createUnreachableTransport),
    async connected(given = transport()) {
      await given.connect({ logger: silentLogger, clock: systemClock }, [destination], soon())
      return given
    },
    service,
    async publisher(options) {
      const made = service(options)
      await start(made)
      return made
    },
    async group(name, options, serviceOptions) {
      const made = service(serviceOptions)
      const consumer = made.consume(name, options)
      await start(made)
      return { service: made, consumer }
    },
    async deadLetters(group, where = destination) {
      const made = service({ publishes: [] })
      const probe = createDeadLetterProbe(made, { destination: where, group }, { timeoutMs })
      await start(made)
      return probe
    },
    seen: (contract = contracts.noted, handler) =>
      createMessageProbe(contract, { timeoutMs, ...(handler === undefined ? {} : { handler }) }),
    probe: (name) => createProbe(name, { timeoutMs }),
    eventually: (what, read, accepts) => eventually(read, accepts, { what, timeoutMs }),
    async counted(consumer, counts) {
      const read = (): ConsumerHealth => consumer.health()
      const names = Object.keys(counts) as (keyof ConsumerHealth)[]
      const accepts = (health: ConsumerHealth): boolean => names.every((name) => health[name] === counts[name])
      await eventually(read, accepts, { what: `the counts ${JSON.stringify(counts)}`, timeoutMs })
    },
    gate() {
      const gate = createGate()
      gates.push(gate)
      return gate
    },
    soon,
    async close() {
      for (const gate of gates) gate.open()
      await Promise.allSettled(services.map((made) => made.stop({ deadlineMs: timing.stopMs })))
      const { deadline } = soon(timing.stopMs)
      await Promise.allSettled(transports.map((made) => made.close(deadline)))
    },
  }
}

function createGate(): Gate {
  let open: () => void = () => {}
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { pass: () => opened, open: () => open() }
}
