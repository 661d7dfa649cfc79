import { createRandom } from './random.js'

/** How long a kind of fault lasts before it is healed, in milliseconds. */
export interface FaultSpan {
  readonly minMs: number
  readonly maxMs: number
}

/** One fault of a run. */
export interface ScheduledFault {
  /** Not before; later, when the fault before it took longer to recover from. */
  readonly atMs: number
  readonly kind: string
  readonly durationMs: number
  /** For what else is left to chance: which process, how many bytes. */
  readonly seed: number
}

export interface ScheduleOptions {
  readonly seed: number
  readonly totalMs: number
  readonly kinds: Readonly<Record<string, FaultSpan>>
}

/** Traffic runs undisturbed for so long before the first fault and after the last one. */
const quietMs = 4_000
/** Between two faults, recovery included. */
const gap = { minMs: 3_000, maxMs: 6_000 }

/** Plans a run; pure. Kinds come in rounds, so that each comes once before one comes twice. */
export function createSchedule({ seed, totalMs, kinds }: ScheduleOptions): ScheduledFault[] {
  const random = createRandom(seed)
  const names = Object.keys(kinds)
  const faults: ScheduledFault[] = []
  let round: string[] = []
  for (let atMs = quietMs; names.length > 0;) {
    if (round.length === 0) round = random.shuffled(names)
    const kind = round.shift()!
    const durationMs = random.between(kinds[kind]!.minMs, kinds[kind]!.maxMs)
    if (atMs + durationMs + quietMs > totalMs) break
    faults.push({ atMs, kind, durationMs, seed: random.between(1, 2_147_483_647) })
    atMs += durationMs + random.between(gap.minMs, gap.maxMs)
  }
  return faults
}
