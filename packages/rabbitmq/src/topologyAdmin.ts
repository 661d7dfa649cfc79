import { createLog, silentLogger, systemClock, TopologyError } from '@posthorn/core/adapter'
import type { Declaration } from '@posthorn/core/adapter'
import { BrokerConnection } from './connection.js'
import { createCounts } from './counts.js'
import { abortedError, unreachableError } from './errorMapping.js'
import type { Settings } from './options.js'
import { planWarnings } from './planWarnings.js'
import { prepareTopology, verifyTopology } from './prepareTopology.js'
import { pruneTopology } from './pruneTopology.js'
import type { FormerTopology, PruneOptions, PruneReport } from './pruneTopology.js'
import { replayUnrouted } from './replayUnrouted.js'
import type { ReplayReport, UnroutedReplay } from './replayUnrouted.js'
import { planTopology } from './topology.js'
import type { TopologyItem, TopologyPlan } from './topology.js'
import type { TopologyCall, TopologyCallOptions } from './topologyCall.js'
import { within } from './waiting.js'

/**
 * The exchanges, queues and bindings of a declaration, beside the service that uses them. Each call makes a connection
 * of its own and closes it, so the transport need not be connected.
 */
export interface RabbitMqTopology {
  /** Plans without I/O; `formatPlan` makes text of it. */
  plan(declaration: Declaration): TopologyPlan
  /** Declares what is missing, whatever the option `topology` says; rejects with the first thing that is different. */
  apply(declaration: Declaration, options?: TopologyCallOptions): Promise<void>
  /** Changes nothing; rejects with a `TopologyError` that lists everything that is missing or different. */
  verify(declaration: Declaration, options?: TopologyCallOptions): Promise<void>
  /**
   * Waits until removed rungs are empty and deletes them, and takes stale bindings away. A queue with messages stays, and
   * the report says why. Everything named that is in use is left alone.
   */
  prune(declaration: Declaration, former: FormerTopology, options?: PruneOptions): Promise<PruneReport>
  /** Moves kept events to one group, each confirmed before it is taken away; may be interrupted and called again. */
  replayUnrouted(replay: UnroutedReplay, options?: TopologyCallOptions): Promise<ReplayReport>
}

const defaultDeadlineMs = 30_000
/** Longer than a rung has to be empty. */
const defaultPruneMs = 300_000
const reportsWithinMs = 15_000

export function createTopologyAdmin(settings: Settings): RabbitMqTopology {
  const map = settings.topology
  const itemsOf = (declaration: Declaration): readonly TopologyItem[] => planTopology(declaration, map)

  return {
    plan: (declaration) => ({ items: itemsOf(declaration), warnings: planWarnings(declaration, map) }),
    apply: (declaration, options) =>
      connected(settings, options, ({ live }) => {
        const lasting = itemsOf(declaration).filter(({ owner }) => owner !== 'process')
        return prepareTopology(live.model, lasting, 'apply')
      }),
    verify: (declaration, options) =>
      connected(settings, options, async ({ live }) => {
        const [first, ...others] = await verifyTopology(live.model, itemsOf(declaration))
        if (first !== undefined) throw others.length === 0 ? first : allOf([first, ...others])
      }),
    prune: (declaration, former, options = {}) =>
      connected(settings, { deadlineMs: defaultPruneMs, ...options, reportsWithinMs }, (call) =>
        pruneTopology(call, declaration, { ...former, ...options }),
      ),
    replayUnrouted: (replay, options) =>
      connected(settings, { ...options, reportsWithinMs }, (call) => replayUnrouted(call, replay)),
  }
}

/** A call that tells what it did so far when its deadline or its signal ends it, and how long it may take for that. */
interface CallSetup extends TopologyCallOptions {
  readonly reportsWithinMs?: number
}

async function connected<T>(
  settings: Settings,
  { deadlineMs = defaultDeadlineMs, signal, logger = silentLogger, reportsWithinMs }: CallSetup = {},
  work: (call: TopologyCall) => Promise<T>,
): Promise<T> {
  const context = { logger: createLog(logger, systemClock), clock: systemClock }
  const deadline = systemClock.monotonic() + deadlineMs
  const until = signal === undefined ? { deadline } : { deadline, signal }
  const connection = new BrokerConnection({ settings, context, counts: createCounts(), purpose: 'topology' })
  try {
    const live = await connection.open(until)
    const limit = reportsWithinMs === undefined ? until : { deadline: deadline + reportsWithinMs }
    return await within(work({ live, settings, deadline, signal }), limit, systemClock, {
      late: () => unreachableError(settings, 'the broker did not answer in time'),
      aborted: (aborted) => abortedError(settings, aborted),
    })
  } finally {
    await connection.close(systemClock.monotonic() + 1_000)
  }
}

function allOf(errors: readonly Error[]): TopologyError {
  const problems = errors.map(({ message }) => message)
  return new TopologyError({
    code: 'POSTHORN_TOPOLOGY_MISMATCH',
    message: `The topology is not as it must be:\n${problems.map((problem) => `- ${problem}`).join('\n')}`,
    details: { problems, errors },
  })
}
