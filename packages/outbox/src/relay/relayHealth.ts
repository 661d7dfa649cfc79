import { healthFrom, healthReason } from '@posthorn/core/adapter'
import type { HealthCode, HealthReason, PartHealth, Transport } from '@posthorn/core/adapter'
import type { ListenerState } from './relayListener.js'
import type { RelayRun } from './relayRun.js'
import type { RelayCounts, RelayError } from './relayWorld.js'

export type RelayState = 'idle' | 'starting' | 'running' | 'draining' | 'stopped'

/** Whether a relay works, and how much waits. */
export interface RelayHealth extends PartHealth {
  readonly state: RelayState
  /** Names this relay in leases and logs; each attempt to start has a name of its own. */
  readonly relay: string
  /** Partitions that it owns. */
  readonly leases: number
  /** Relays alive, as of the last renewal. */
  readonly relays: number
  readonly listener: ListenerState
  /** Entries in memory, from reading to removing. */
  readonly held: number
  /** Of these, what the broker has not confirmed. */
  readonly inFlight: number
  /** Keys that wait because their destination takes nothing; nothing of them is held. */
  readonly waitingKeys: number
  /** Entries in the outbox; this and the following as of the last look, undefined before the first. */
  readonly depth: number | undefined
  readonly oldestMs: number | undefined
  readonly scheduled: number | undefined
  readonly parkedKeys: number | undefined
  /** Deleted entries that the database still keeps; undefined too where the store cannot tell, as the following. */
  readonly deadRows: number | undefined
  /** Transactions begun since the oldest that is open: what was deleted since then cannot be cleared away. */
  readonly horizonAge: number | undefined
  readonly published: number
  readonly lastError: RelayError | undefined
  readonly counts: Readonly<Record<keyof RelayCounts, number>>
}

interface Facts {
  readonly state: RelayState
  readonly relay: string
  readonly run: RelayRun | undefined
  readonly counts: RelayCounts
  /** Of its own; undefined where the service tells of it, until the relay runs. */
  readonly transport: Transport | undefined
}

/** Puts the facts of all parts together. */
export function relayHealth(facts: Facts): RelayHealth {
  const { state, relay, run, counts } = facts
  const stats = run?.stats.latest
  return {
    ...healthFrom([...reasonsOf(facts)]),
    state,
    relay,
    leases: run?.leases.count ?? 0,
    relays: run?.leases.view.relays ?? 0,
    listener: run?.listener.state ?? 'polling',
    held: run?.world.held.count ?? 0,
    inFlight: run?.sender.inFlightCount ?? 0,
    waitingKeys: run?.sender.waitingCount ?? 0,
    depth: stats?.depth,
    oldestMs: stats?.oldestMs,
    scheduled: stats?.scheduled,
    parkedKeys: stats?.parkedKeys,
    deadRows: stats?.deadRows,
    horizonAge: stats?.horizonAge,
    published: counts.published,
    lastError: run?.world.lastError,
    counts: { ...counts },
  }
}

function* reasonsOf({ state, run, transport }: Facts): Iterable<HealthReason> {
  const reason = (code: HealthCode, what: string): HealthReason => healthReason({ code, where, what })
  if (state !== 'running' || run === undefined)
    yield healthReason({ where, ...stateReasons[state === 'running' ? 'starting' : state] })
  else if (!run.leases.isValid)
    yield reason('databaseAway', 'The leases could not be renewed: the database does not answer')
  if (run?.standsStill === true)
    yield reason('noProgress', 'It reads, sends and removes nothing, though everything is there')
  if (state === 'starting' || state === 'running') yield* (run?.world.transport ?? transport)?.health().reasons ?? []
  if (state === 'running' && run?.sender.isCrowded === true)
    yield reason('keysWaiting', `${run.sender.waitingCount} keys wait for destinations that take nothing`)
  const parkedKeys = run?.stats.latest?.parkedKeys ?? 0
  if (parkedKeys > 0) yield reason('keysParked', `${parkedKeys} keys are parked`)
}

const where = 'part relay'
const stateReasons = {
  idle: { code: 'notStarted', what: 'It has not started' },
  starting: { code: 'starting', what: 'It asks the database for its partitions' },
  draining: { code: 'stopping', what: 'It reads nothing new; what is under way ends' },
  stopped: { code: 'stopped', what: 'It has stopped' },
} as const
