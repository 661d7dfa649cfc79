import type { Clock } from '../clock.js'
import { LifecycleError } from '../errors.js'
import { askHealth } from '../health.js'
import type { Health } from '../health.js'
import type { Logger } from '../logger.js'
import type { Metrics } from '../metrics.js'
import { boolean, callable, optionProblems, refuseProblems, text } from '../optionProblems.js'
import type { SendOptions, Transport } from '../ports.js'
import type { MessagingKit } from '../publisher/publisherOptions.js'
import { endedBy } from '../settledBy.js'
import type { StartSteps } from '../startSteps.js'

/** Whether a part works; facts of its own stand beside. */
export interface PartHealth extends Health {}

/** What a service lends to its parts. */
export interface PartSurroundings {
  /** Connected, and open until every part has stopped. */
  readonly transport: Transport
  readonly logger: Logger
  readonly clock: Clock
  /** For numbers of the part's own, labelled with the service; undefined without telemetry. */
  readonly metrics?: Metrics
}

/**
 * What runs within a service beside its consumers, such as a relay: started once the transport is connected, stopped when
 * the handlers have ended and before the transport closes.
 */
export interface ServicePart {
  /** Names it in `service.health()` and in logs; no two parts of a service have the same. */
  readonly name: string
  /** Starts before the consumers receive, because handlers need it. @default false: it starts once they do */
  readonly startsBeforeConsumers?: boolean
  /**
   * Resolves when it works; rejects by the deadline when it cannot. With `ifUnavailable: 'wait'` it is called again when
   * it rejects with `POSTHORN_UNREACHABLE` or `POSTHORN_OUTBOX_UNAVAILABLE`.
   */
  start(surroundings: PartSurroundings, options: SendOptions): Promise<void>
  /** Ends what is under way and lets go of everything by the deadline. Called also after a `start` that failed or still runs. */
  stop(deadline: number): Promise<void>
  /** Never waits, and works at any time. */
  health(): PartHealth
}

/** The parts of one service. */
export interface Parts {
  readonly count: number
  add(part: ServicePart): void
  /** Starts those of one phase, all at once; rejects with the first failure when all have settled. */
  start(phase: 'beforeConsumers' | 'afterConsumers', steps: StartSteps): Promise<void>
  /** Stops those whose start was called. */
  stop(deadline: number): Promise<void>
  health(): Readonly<Record<string, PartHealth>>
}

const partRules = {
  name: text,
  startsBeforeConsumers: boolean,
  start: callable,
  stop: callable,
  health: callable,
}

export function createParts(kit: MessagingKit, metrics: Metrics | undefined): Parts {
  const { clock, logger, transport } = kit
  const parts = new Map<string, ServicePart>()
  const started = new Set<ServicePart>()

  async function startOne(part: ServicePart, steps: StartSteps): Promise<void> {
    const own = { transport, clock, logger: logger.child({ part: part.name }) }
    const surroundings = metrics === undefined ? own : { ...own, metrics }
    await steps.attempt(
      async (options) => {
        started.add(part)
        await unlessAborted(part.start(surroundings, options), options.signal)
      },
      () => neverReady(part.name),
    )
  }

  async function stopOne(part: ServicePart, deadline: number): Promise<void> {
    try {
      await part.stop(deadline)
    } catch (error) {
      logger.warn({ event: 'part.stop', part: part.name, err: error }, 'A part of the service did not stop cleanly')
    }
  }

  return {
    get count() {
      return parts.size
    },
    add(part) {
      const problems = partProblems(part)
      if (parts.has(part?.name))
        problems.push(`a part named ${part.name} is attached already; name this one differently`)
      refuseProblems('The part', problems)
      parts.set(part.name, part)
    },
    async start(phase, steps) {
      const chosen = [...parts.values()].filter(
        (part) => (part.startsBeforeConsumers === true) === (phase === 'beforeConsumers'),
      )
      const results = await Promise.allSettled(chosen.map((part) => startOne(part, steps)))
      const failed = results.find((result) => result.status === 'rejected')
      if (failed !== undefined) throw failed.reason
    },
    async stop(deadline) {
      await Promise.all([...started].map((part) => endedBy(clock, deadline, stopOne(part, deadline))))
    },
    health: () => Object.fromEntries([...parts].map(([name, part]) => [name, askHealth(`part ${name}`, part)])),
  }
}

/** Of a part, which may be an instance of a class: its methods are no properties of its own. */
function partProblems(part: ServicePart): string[] {
  if (typeof part !== 'object' || part === null) return ['it must be an object with name, start, stop and health']
  const given = part as unknown as Readonly<Record<string, unknown>>
  const shown = Object.fromEntries(Object.keys(partRules).map((key) => [key, given[key]]))
  return optionProblems('', shown, partRules, ['name', 'start', 'stop', 'health'])
}

/** As the work settles, or rejects when the signal fires: a part that does not look at it must not hold up a stop. */
function unlessAborted(work: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return work
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error)
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

function neverReady(name: string): LifecycleError {
  return new LifecycleError({
    code: 'POSTHORN_START_TIMEOUT',
    message: `The part ${name} did not start by the deadline; its health() and the log say more`,
  })
}
