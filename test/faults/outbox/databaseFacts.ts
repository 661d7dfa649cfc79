import { hasEnded } from '../ledger.js'
import type { Ledger } from '../ledger.js'
import { fateOf, flowOf, followUpId, mayWork } from '../traffic.js'

/** What the database of a run says when everything is over: what was committed, whoever knew of it. */
export interface DatabaseFacts {
  /** Messages whose transaction was committed. */
  readonly committed: ReadonlySet<string>
  /** Rows of effects, by the message that they are of. */
  readonly effects: ReadonlyMap<string, number>
  /** Messages that still stand in the outbox. */
  readonly waiting: readonly string[]
  /** Of relays that have ended: leases, and sentences about whatever else was left behind. */
  readonly leftBehind: readonly string[]
  /** Connections that are more than they may be, as sentences. */
  readonly bounds: readonly string[]
}

/** Each message that works has had its effect once, and no other has had any. */
export function effectProblems({ committed, effects }: DatabaseFacts): string[] {
  const wrong = new Set<string>()
  for (const [id, count] of effects) {
    if (count > 1 || !isCommitted(id, committed, effects) || !mayWork(fateOf(id))) wrong.add(id)
  }
  for (const id of effectsOf(committed)) if (!effects.has(id)) wrong.add(id)
  return [...wrong]
}

/** What handlers publish is committed with the effect of its cause. */
function isCommitted(id: string, committed: DatabaseFacts['committed'], effects: DatabaseFacts['effects']): boolean {
  return flowOf(id) === 'f' ? effects.has(id.slice(followUpId('').length)) : committed.has(id)
}

/** The messages whose effects are owed for these: their own, and of those that their handlers publish. */
export function* effectsOf(committed: Iterable<string>): Generator<string> {
  for (const id of committed) {
    if (!mayWork(fateOf(id))) continue
    yield id
    if (flowOf(id) === 'u') yield followUpId(id)
  }
}

/** Published if and only if committed, and nothing left behind. */
export function outboxProblems({ committed, waiting, leftBehind }: DatabaseFacts, ledger: Ledger): string[] {
  const wrong = new Set<string>([...waiting, ...leftBehind])
  for (const id of committed) {
    const facts = ledger.messages.get(id)
    if (facts === undefined || !hasEnded(facts)) wrong.add(id)
  }
  for (const { id, flow, calls, dead } of ledger.messages.values()) {
    if (flow !== 'f' && (calls > 0 || dead > 0) && !committed.has(id)) wrong.add(id)
  }
  return [...wrong]
}

/** Messages that had their effect more than once. */
export function doubleEffects({ effects }: DatabaseFacts): number {
  return [...effects.values()].filter((count) => count > 1).length
}
