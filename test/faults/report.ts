import { invariantNames, isGhost, isLost, orderViolations } from './invariants.js'
import type { InvariantName, Judgement, RunFacts } from './invariants.js'
import { doubleEffects } from './outbox/databaseFacts.js'
import type { RunOptions } from './runOptions.js'
import type { RunProgress } from './runner.js'

/** The last line that a run prints with `--json`. */
export interface Summary {
  readonly summary: true
  readonly target: string
  readonly seed: number
  readonly acked: number
  readonly delivered: number
  readonly duplicates: number
  readonly deadLettered: number
  readonly lost: number
  readonly ghosts: number
  readonly orderViolations: number
  readonly faults: Readonly<Record<string, number>>
  readonly longestStallMs: number
  /** Changes of committed offsets that were seen, where there are offsets. */
  readonly commits?: number
  /** Transactions that were committed, and messages that had their effect more than once, where there is a database. */
  readonly committed?: number
  readonly doubleEffects?: number
  readonly invariants: Readonly<Record<InvariantName, boolean>>
}

/** Counts what a run came to. Delivered are calls of handlers; duplicates are messages handled once more than once. */
export function summarize(run: RunFacts, judgement: Judgement, { target, seed }: RunOptions): Summary {
  const all = [...run.ledger.messages.values()]
  const faults: Record<string, number> = {}
  for (const { kind } of run.faults) faults[kind] = (faults[kind] ?? 0) + 1
  return {
    summary: true,
    target,
    seed,
    acked: run.ledger.counts.acked,
    delivered: run.ledger.counts.calls,
    duplicates: all.reduce((sum, { done }) => sum + Math.max(0, done - 1), 0),
    deadLettered: run.ledger.counts.deadLettered,
    lost: all.filter(isLost).length,
    ghosts: all.filter(isGhost).length,
    orderViolations: orderViolations(run.ledger).length,
    faults,
    longestStallMs: run.longestStallMs,
    ...(run.offsets === undefined ? {} : { commits: run.offsets.commitCount }),
    ...(run.database === undefined
      ? {}
      : { committed: run.database.committed.size, doubleEffects: doubleEffects(run.database) }),
    invariants: Object.fromEntries(
      invariantNames.map((name) => [name, judgement[name].length === 0]),
    ) as Summary['invariants'],
  }
}

const number = new Intl.NumberFormat('en')

/** One line for people. */
export function progressLine({ leftMs, doing, counts, faultCount, longestStallMs }: RunProgress): string {
  return [
    Number.isFinite(leftMs) ? `${String(Math.round(leftMs / 1_000)).padStart(4)} s left` : '         ',
    `${number.format(counts.acked)} acked`,
    `${number.format(counts.calls)} delivered`,
    `${number.format(counts.open)} open`,
    `${faultCount} faults`,
    `longest stall ${number.format(longestStallMs)} ms`,
    doing,
  ].join(' · ')
}

const maxShown = 20

/** What is wrong, and with which messages, for people. */
export function problemLines(judgement: Judgement): string[] {
  return invariantNames
    .filter((name) => judgement[name].length > 0)
    .flatMap((name) => [
      `${name} does not hold, ${judgement[name].length} times:`,
      ...judgement[name].slice(0, maxShown).map((what) => `  ${what}`),
    ])
}
