import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ChildrenOptions } from './children.js'
import { createCrew } from './crew.js'
import type { Crew } from './crew.js'
import type { FaultWindow, RunFacts } from './invariants.js'
import type { Ledger } from './ledger.js'
import { runClock } from './ledgerFile.js'
import { createLookout } from './lookout.js'
import type { Lookout } from './lookout.js'
import { networkFaults } from './networkFaults.js'
import type { DatabaseWatch } from './outbox/databaseWatch.js'
import { processFaults } from './processFaults.js'
import type { Proxies } from './proxies.js'
import { createRandom } from './random.js'
import type { RunOptions } from './runOptions.js'
import { createSchedule } from './schedule.js'
import type { ScheduledFault } from './schedule.js'
import { createOwnMessages } from './ownMessages.js'
import type { FaultContext, FaultKind, FaultTarget, OwnMessages } from './target.js'

/** What the runner tells while it runs. */
export interface RunProgress {
  readonly leftMs: number
  /** The fault that is under way, or what else is. */
  readonly doing: string
  readonly counts: Ledger['counts']
  readonly faultCount: number
  readonly longestStallMs: number
}

export interface Surroundings {
  readonly target: FaultTarget
  /** For ledgers and logs. */
  readonly folder: string
  readonly onProgress: (progress: RunProgress) => void
  readonly note: (text: string) => void
  /** Fires when the run is to end at once. */
  readonly signal: AbortSignal
}

const progressMs = 5_000
/** A run that has not recovered from a fault after so long goes on all the same: the stall is measured. */
const maxRecoveryMs = 30_000

/** All kinds of faults that a run on this target can have. */
export function kindsOf(target: FaultTarget): Readonly<Record<string, FaultKind>> {
  return { ...target.kinds, ...processFaults, ...networkFaults }
}

/** Runs traffic and faults, lets everything end, and gives what is to be judged. The processes are gone after it. */
export async function runFaults(options: RunOptions, surroundings: Surroundings): Promise<RunFacts> {
  const { target, folder, signal } = surroundings
  signal.throwIfAborted()
  const startedAt = process.hrtime.bigint()
  const failed = new AbortController()
  const proxies = await target.openProxies()
  const configOf: ChildrenOptions['configOf'] = (role) => ({
    startedAt: String(startedAt),
    ...target.serversOf(role, proxies),
    lie: options.lie?.role === role ? options.lie.lie : undefined,
    rate: options.rate / target.crew.publisher,
  })
  const onDeath = (name: string): void => failed.abort(new Error(`${name} ended by itself; see ${folder}/${name}.log`))
  const crew = createCrew(target.crew, { folder, configOf, onDeath })
  const lookout = createLookout({
    folder,
    flows: target.steadyFlows,
    patienceMs: options.patienceMs,
    signal: AbortSignal.any([signal, failed.signal]),
    onError: (error) => failed.abort(error),
  })
  const stage: Stage = {
    options,
    surroundings,
    proxies,
    crew,
    lookout,
    own: createOwnMessages(join(folder, 'operator.ledger'), lookout.ledger, runClock(startedAt)),
    now: runClock(startedAt),
    faults: [],
    blamed: [],
    doing: '',
  }
  const progress = setInterval(() => surroundings.onProgress(progressOf(stage)), progressMs)
  try {
    return await play(stage)
  } finally {
    clearInterval(progress)
    lookout.close()
    await crew.kill()
    await proxies.close()
  }
}

/** Everything that one run works with. */
interface Stage {
  readonly options: RunOptions
  readonly surroundings: Surroundings
  readonly proxies: Proxies
  readonly crew: Crew
  readonly lookout: Lookout
  readonly own: OwnMessages
  readonly now: () => number
  readonly faults: FaultWindow[]
  readonly blamed: string[]
  doing: string
  endAt?: number
}

async function play(stage: Stage): Promise<RunFacts> {
  const { crew, lookout, surroundings, faults } = stage
  const { target } = surroundings
  stage.doing = 'starting'
  await lookout.unlessEnded(crew.start())
  await lookout.unlessEnded(target.declared())
  target.offsets?.start(stage.now)
  lookout.stalls.faultHealed()
  crew.resume()
  await playSchedule(stage)
  lookout.stalls.end()
  stage.doing = 'draining'
  await crew.pause()
  await lookout.drained()
  if (target.database !== undefined) await settleDatabase(stage, target.database)
  stage.doing = 'ending'
  const offsets = await target.offsets?.finish()
  const missing = await target.missing()
  const { samples, maxUnconfirmed, dead } = await crew.finish()
  lookout.close()
  const database = await target.database?.finish()
  const longestStallMs = Math.max(lookout.stalls.longestMs, lookout.drainStallMs)
  return {
    ledger: lookout.ledger,
    faults,
    longestStallMs,
    samples,
    maxUnconfirmed,
    dead: [...stage.blamed, ...missing, ...dead],
    ...(offsets === undefined ? {} : { offsets }),
    ...(database === undefined ? {} : { database }),
  }
}

/** What is committed and not known to be, since its process died, is owed an end as well. */
async function settleDatabase({ options, lookout, now }: Stage, database: DatabaseWatch): Promise<void> {
  await lookout.unlessEnded(database.settle(lookout.ledger, now))
  await lookout.drained()
  await lookout.unlessEnded(database.drained(options.patienceMs))
}

/** Not all that was confirmed ended while nothing was published. */
class NotDrainedError extends Error {}

async function playSchedule(stage: Stage): Promise<void> {
  const { options, surroundings, lookout } = stage
  const { seed, totalMs } = options
  const beganAt = performance.now()
  const endAt = beganAt + totalMs
  stage.endAt = endAt
  const available = kindsOf(surroundings.target)
  const kinds = Object.fromEntries((options.kinds ?? Object.keys(available)).map((name) => [name, available[name]!]))
  for (const fault of createSchedule({ seed, totalMs, kinds })) {
    stage.doing = 'traffic'
    await lookout.until(() => performance.now() >= beganAt + fault.atMs)
    // What came late moved the rest; what no longer fits is left out.
    if (performance.now() + fault.durationMs > endAt) break
    try {
      await suffer(stage, fault, kinds[fault.kind]!)
    } catch (error) {
      // Something is lost already: the rest of the run would not tell more.
      if (error instanceof NotDrainedError) return
      throw error
    }
  }
  stage.doing = 'traffic'
  await lookout.until(() => performance.now() >= endAt)
}

async function suffer(stage: Stage, fault: ScheduledFault, kind: FaultKind): Promise<void> {
  const { lookout, crew, proxies, now } = stage
  const { stalls } = lookout
  const { durationMs } = fault
  stage.doing = fault.kind
  stalls.faultBegan()
  const from = now()
  const context: FaultContext = {
    random: createRandom(fault.seed),
    durationMs,
    children: crew.children,
    proxies,
    async drained() {
      await crew.pause()
      if (!(await lookout.drained())) throw new NotDrainedError(`The run did not drain before ${fault.kind}`)
    },
    resume: () => crew.resume(),
    own: stage.own,
    counts: lookout.ledger.counts,
    blame: (sentence) => void stage.blamed.push(`${fault.kind}: ${sentence}`),
    note: (text) => (stage.doing = `${fault.kind} (${text})`),
  }
  const heal = await lookout.unlessEnded(kind.inject(context))
  const healAt = performance.now() + durationMs
  await lookout.until(() => performance.now() >= healAt)
  await lookout.unlessEnded(heal())
  stage.faults.push({ kind: fault.kind, from, to: now() })
  stalls.faultHealed()
  await recover(stage, `${stage.doing}, ${durationMs} ms`)
}

async function recover(stage: Stage, what: string): Promise<void> {
  const { lookout, surroundings } = stage
  const { stalls } = lookout
  stage.doing = 'recovering'
  const healedAt = performance.now()
  await lookout.until(() => stalls.recovered || performance.now() - healedAt > maxRecoveryMs)
  const tookMs = Math.round(performance.now() - healedAt)
  const outcome = stalls.recovered ? `moving after ${tookMs} ms` : `still waiting: ${stalls.waiting.join(', ')}`
  surroundings.note(`${what}: ${outcome}`)
  if (stalls.recovered) return
  const file = join(surroundings.folder, `stall-${stage.faults.length}.txt`)
  // Servers that hang may not answer this either; the run goes on.
  const known = surroundings.target.diagnose().catch((error: unknown) => String(error))
  writeFileSync(file, await lookout.unlessEnded(known))
}

function progressOf({ endAt, doing, lookout, faults }: Stage): RunProgress {
  const isRecovering = doing === 'recovering'
  return {
    leftMs: endAt === undefined ? Infinity : Math.max(0, endAt - performance.now()),
    doing: isRecovering ? `${doing} (${lookout.stalls.waiting.join(', ')})` : doing,
    counts: lookout.ledger.counts,
    faultCount: faults.length,
    longestStallMs: lookout.stalls.longestMs,
  }
}
