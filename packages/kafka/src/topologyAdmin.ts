import { createLog, silentLogger, systemClock, TopologyError } from '@posthorn/core/adapter'
import type { Declaration, Logger } from '@posthorn/core/adapter'
import { byDeadline, repeat } from './byDeadline.js'
import type { CreateDriver, KafkaDriver } from './driver/driver.js'
import { isPassing } from './driver/driverError.js'
import { connectError, endedError, mismatchError, missingTopicsError } from './errorMapping.js'
import { driverSettings } from './driverSettings.js'
import type { Settings } from './options.js'
import { pruneTopology } from './pruneTopology.js'
import type { PruneOptions, PruneReport } from './pruneTopology.js'
import { inspectTopic, strictDifferences } from './topicInspection.js'
import { createTopology } from './topology.js'
import type { TopologyCallOptions } from './topologyCall.js'
import { planTopology } from './topologyPlan.js'
import type { TopologyPlan } from './topologyPlan.js'

/**
 * The topics of a declaration, beside the service that uses them. Each call makes connections of its own and closes
 * them, so the transport need not be connected.
 */
export interface KafkaTopology {
  /** Plans without I/O; `formatPlan` makes text of it. */
  plan(declaration: Declaration): TopologyPlan
  /** Creates what is missing, whatever the option `topology` says; rejects with the first topic that cannot be used. */
  apply(declaration: Declaration, options?: TopologyCallOptions): Promise<void>
  /** Changes nothing; rejects with a `TopologyError` that lists everything that is missing or different. */
  verify(declaration: Declaration, options?: TopologyCallOptions): Promise<void>
  /**
   * Finds the rungs of the declared groups that no ladder has any more, and deletes those that are read to their end while
   * nobody consumes. What may still be needed stays, and the report says why.
   */
  prune(declaration: Declaration, options?: PruneOptions): Promise<PruneReport>
}

const defaultDeadlineMs = 30_000
const closeMs = 2_000

export function createTopologyAdmin(settings: Settings, createDriver: CreateDriver): KafkaTopology {
  const map = settings.topology
  const connected = connectedTo(settings, createDriver)

  async function verify(declaration: Declaration, driver: KafkaDriver): Promise<void> {
    const { items } = planTopology(declaration, map)
    const facts = await driver.describeTopics(items.map(({ topic }) => topic))
    const errors = items.flatMap((item) => {
      const found = facts.get(item.topic)
      if (found === undefined) return [missingTopicsError([item.topic], 'verify')]
      const differences = [...inspectTopic(item, found, settings).differences, ...strictDifferences(item, found)]
      return differences.length === 0 ? [] : [mismatchError(item.topic, differences)]
    })
    const [first, ...others] = errors
    if (first !== undefined) throw others.length === 0 ? first : allOf(errors)
  }

  return {
    plan: (declaration) => planTopology(declaration, map),
    apply: (declaration, options) =>
      connected(options, async ({ driver, logger, until }) => {
        const applying = { ...settings, topology: { ...map, mode: 'apply' as const } }
        const topology = createTopology({ driver, settings: applying, clock: systemClock, logger })
        await topology.ensureDestinations(declaration.publishes, until)
        for (const subscription of declaration.subscriptions) await topology.ensureSubscription(subscription, until)
      }),
    verify: (declaration, options) => connected(options, ({ driver }) => verify(declaration, driver)),
    prune: (declaration, options = {}) =>
      connected(options, ({ driver }) => pruneTopology({ driver, map }, declaration, options)),
  }
}

interface Call {
  readonly driver: KafkaDriver
  readonly logger: Logger
  readonly until: { readonly deadline: number; readonly signal?: AbortSignal }
}

/** Runs calls on drivers of their own. */
function connectedTo(settings: Settings, createDriver: CreateDriver) {
  return async function connected<T>(
    { deadlineMs = defaultDeadlineMs, signal, logger = silentLogger }: TopologyCallOptions = {},
    work: (call: Call) => Promise<T>,
  ): Promise<T> {
    const deadline = systemClock.monotonic() + deadlineMs
    const until = signal === undefined ? { deadline } : { deadline, signal }
    const ending = new AbortController()
    const log = createLog(logger, systemClock)
    const around = { clock: systemClock, logger: log, stop: ending.signal }
    const driver = createDriver(driverSettings(settings, around))
    try {
      const attempt = async (): Promise<T> => {
        await driver.connect()
        return work({ driver, logger: log, until })
      }
      // Every call finds what the one before has done.
      const repeating = { ...until, clock: systemClock, backoff: settings.reconnect, isPassing }
      const outcome = await byDeadline(repeat(attempt, repeating), { ...until, clock: systemClock })
      if (outcome !== undefined && 'value' in outcome) return outcome.value
      if (signal?.aborted === true) throw endedError(settings.brokers, "the caller's signal fired")
      const error = outcome?.error
      throw error instanceof Error && 'code' in error ? error : connectError(settings, error)
    } finally {
      ending.abort()
      await driver.close(systemClock.monotonic() + closeMs)
    }
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
