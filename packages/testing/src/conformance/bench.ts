import { randomUUID } from 'node:crypto'
import type { Contract } from '@posthorn/contracts'
import { silentLogger, systemClock } from '@posthorn/core'
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
import { createUnits } from './benchUnits.js'
import type { BenchUnits } from './benchUnits.js'
import type { ConformanceSetup, ConformanceTiming } from './conformanceSetup.js'
import { contractsFor } from './messages.js'
import type { CaseContracts, Note } from './messages.js'

/** One group that runs. */
export interface RunningGroup {
  readonly service: Service
  readonly consumer: Consumer
}

/** What a case may tell of its service. */
export type BenchServiceOptions = Partial<ServiceOptions>

/** The surroundings of one case: names of its own, services and transports that are stopped at its end. */
export interface Bench extends CaseContracts, BenchUnits {
  readonly timing: ConformanceTiming
  readonly capabilities: Capabilities
  readonly secret: string | undefined
  /** The broker counts releases as if they were crashes. */
  readonly releasesAreCounted: boolean
  readonly destination: string
  /** A rung in which a message waits while everything else of its case is done. */
  readonly longRungMs: number
  /** What a busy machine may add to a deadline, in milliseconds. */
  readonly slackMs: number
  /** Contracts on a second destination of this case. */
  readonly second: CaseContracts
  /** A transport to an address without a broker. */
  unreachable(): Transport
  /** A transport that is connected, for cases that look below the core. */
  connected(transport?: Transport): Promise<Transport>
  /** A running service without a group. */
  publisher(options?: BenchServiceOptions): Promise<Service>
  /** A running service with one group. */
  group(name: string, options: ConsumerOptions, service?: BenchServiceOptions): Promise<RunningGroup>
  /** Reads the dead letters of a group of this case by a service of its own. */
  deadLetters(group: string): Promise<Probe<DeadLetter>>
  /** Collects the calls of one contract's handler; waits as long as the broker may need. */
  seen(contract?: Contract<Note>, handler?: Handler<Note>): MessageProbe<Note>
  probe<Item>(name: string): Probe<Item>
  eventually<Value>(what: string, read: () => Value, accepts: (value: Value) => boolean): Promise<Value>
  /** Waits until the consumer's health says exactly this. */
  counted(consumer: Consumer, counts: Partial<ConsumerHealth>): Promise<void>
  /** The deadline of one call of a port. */
  soon(waitMs?: number): SendOptions
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
  const units = createUnits(setup, timing, [contracts.noted])
  const soon = (waitMs = timeoutMs): SendOptions => ({ deadline: systemClock.monotonic() + waitMs })

  async function started<Value>(service: Service, value: Value): Promise<Value> {
    await service.start({ deadlineMs: timeoutMs })
    return value
  }

  return {
    ...contracts,
    ...units,
    timing,
    slackMs: 3_000,
    longRungMs: Math.max(timing.rungMs * 5, 300),
    capabilities: setup.capabilities,
    secret: setup.secret,
    releasesAreCounted: setup.releasesAreCounted ?? false,
    destination,
    second: contractsFor(`${destination}.second`, 'second'),
    unreachable: () => units.transport(setup.createUnreachableTransport),
    connected(transport = units.transport()) {
      const connecting = transport.connect({ logger: silentLogger, clock: systemClock }, [destination], soon())
      return later(connecting.then(() => transport))
    },
    publisher(options) {
      const service = units.service(options)
      return later(started(service, service))
    },
    group(name, options, serviceOptions) {
      const service = units.service(serviceOptions)
      // Without a ladder of its own a case needs no rungs: each is a queue or topic.
      const consumer = service.consume(name, { retry: { delaysMs: [] }, ...options })
      return later(started(service, { service, consumer }))
    },
    deadLetters(group) {
      const service = units.service({ publishes: [] })
      const probe = createDeadLetterProbe(service, { destination, group }, { timeoutMs })
      return later(started(service, probe))
    },
    seen: (contract = contracts.noted, handler) =>
      createMessageProbe(contract, { timeoutMs, ...(handler === undefined ? {} : { handler }) }),
    probe: (name) => createProbe(name, { timeoutMs }),
    eventually: (what, read, accepts) => eventually(read, accepts, { what, timeoutMs }),
    async counted(consumer, counts) {
      const names = Object.keys(counts) as (keyof ConsumerHealth)[]
      const accepts = (health: ConsumerHealth): boolean => names.every((name) => health[name] === counts[name])
      const what = `the counts ${JSON.stringify(counts)}`
      await eventually(() => consumer.health(), accepts, { what, timeoutMs })
    },
    soon,
  }
}

/** A case may await it only after something else: its failure must not count as unhandled meanwhile. */
function later<Value>(work: Promise<Value>): Promise<Value> {
  work.catch(() => {})
  return work
}
