import { hasEnded, isDue } from './ledger.js'
import type { Ledger, MessageFacts } from './ledger.js'
import type { OffsetFacts } from './offsetFacts.js'
import { effectProblems, outboxProblems } from './outbox/databaseFacts.js'
import type { DatabaseFacts } from './outbox/databaseFacts.js'
import { fateOf, flows, maxAttempts, mayWork } from './traffic.js'
import type { Fate } from './traffic.js'

/** From the moment a fault began to the moment it was healed, in microseconds of the run. */
export interface FaultWindow {
  readonly kind: string
  readonly from: number
  readonly to: number
}

/** What one process says of itself when it has nothing to do. */
export interface ProcessSample {
  readonly process: string
  readonly sockets: number
  readonly timers: number
  readonly listeners: number
  readonly rssBytes: number
  readonly unconfirmed: number
  /** The process handles or publishes, as far as its service knows. */
  readonly ready: boolean
}

/** Everything that is judged. */
export interface RunFacts {
  readonly ledger: Ledger
  readonly faults: readonly FaultWindow[]
  readonly longestStallMs: number
  /** Two of each process that lived to the end: when it had started, and at the end. */
  readonly samples: readonly { readonly first: ProcessSample; readonly last: ProcessSample }[]
  /** Highest number of unconfirmed messages that any process reported. */
  readonly maxUnconfirmed: number
  /** What groups committed, where brokers know of such a thing. */
  readonly offsets?: OffsetFacts
  /** What was committed, where services have an outbox and an inbox. */
  readonly database?: DatabaseFacts
  /** What did not live, or did not end, as it should: sentences. */
  readonly dead: readonly string[]
}

export interface Limits {
  readonly maxStallMs: number
  readonly maxUnconfirmed: number
  readonly maxRssBytes: number
  /** How many more sockets a process may have than when it had just started. */
  readonly maxMoreSockets: number
  /** How many copies of a message a client may put into the log before it gets its confirmation. */
  readonly maxCopies: number
}

export const invariantNames = ['I1', 'I2', 'I3', 'I4', 'I5', 'I6', 'I7', 'I8', 'I9', 'I10', 'I11'] as const
export type InvariantName = (typeof invariantNames)[number]

/** By invariant what breaks it: ids of messages, or sentences about processes. Nothing breaks what holds. */
export type Judgement = Readonly<Record<InvariantName, readonly string[]>>

/** More than at the start, when the timers of a process that has just started were not all set. */
const maxMoreTimers = 4

/** What a client listens to on one connection. */
const maxListenersOfSocket = 10

/** Judges a run that has ended; pure. */
export function judge(run: RunFacts, limits: Limits): Judgement {
  const { ledger } = run
  // After a fault was healed, deliveries may repeat for as long as recovering may take.
  const faults = run.faults.map((fault) => ({ ...fault, to: fault.to + limits.maxStallMs * 1_000 }))
  const all = [...ledger.messages.values()]
  return {
    I1: idsOf(all, isLost),
    I2: idsOf(all, isInvented),
    I3: idsOf(all, (facts) => facts.failed === 'notSent' && appeared(facts)),
    I4: [...new Set([...idsOf(all, (facts) => !isEffectiveOnce(facts)), ...effectsOf(run)])],
    I5: orderViolations(ledger),
    I6: idsOf(all, (facts) => !endsOnce(facts, faults)),
    I7: idsOf(all, (facts) => !isWithinPolicy(facts, faults, limits.maxCopies)),
    I8: run.database === undefined ? [] : outboxProblems(run.database, ledger),
    I9: run.offsets?.problems(ledger) ?? [],
    I10: [...boundProblems(run, limits), ...(run.database?.bounds ?? [])],
    I11: livenessProblems(run, limits),
  }
}

function idsOf(all: readonly MessageFacts[], isWrong: (facts: MessageFacts) => boolean): string[] {
  return all.filter(isWrong).map(({ id }) => id)
}

/** Confirmed, somebody receives it, and it ended nowhere. */
export function isLost(facts: MessageFacts): boolean {
  return facts.ackedAt !== undefined && facts.routed && !hasEnded(facts)
}

function appeared({ calls, dead }: MessageFacts): boolean {
  return calls > 0 || dead > 0
}

/** Appeared, and nobody published it. */
function isInvented(facts: MessageFacts): boolean {
  return facts.attemptedAt === undefined && appeared(facts)
}

/** Messages that should not have appeared. */
export function isGhost(facts: MessageFacts): boolean {
  return isInvented(facts) || (facts.failed === 'notSent' && appeared(facts))
}

/** Where there is a database it says what effects there were. */
function effectsOf({ database }: RunFacts): string[] {
  return database === undefined ? [] : effectProblems(database)
}

/**
 * An inbox that remembers ids makes exactly one effect of it: there is one where the message was confirmed and works,
 * none where it never works, and none where it was never sent.
 */
function isEffectiveOnce(facts: MessageFacts): boolean {
  if (facts.done > 0) return mayWork(fateOf(facts.id)) && !isGhost(facts)
  return !(isDue(facts) && facts.dead === 0)
}

/**
 * Ids of messages of one key that were called before an earlier one, or before an earlier one had ended. A publish that
 * was rejected as `unknown` may reach the queue behind later ones of its key (a node that was paused reads what an
 * earlier connection had sent), so that its number says nothing.
 */
export function orderViolations({ firstCalls, messages }: Ledger): string[] {
  const wrong: string[] = []
  for (const calls of firstCalls.values()) {
    const seen = new Set<string>()
    let highestSeq = -1
    let endedAt = 0
    for (const { id, seq, at } of calls.sort((left, right) => left.at - right.at)) {
      if (seen.has(id)) continue
      seen.add(id)
      const facts = messages.get(id)
      const isConfirmed = facts?.ackedAt !== undefined
      if ((isConfirmed && seq < highestSeq) || at < endedAt) wrong.push(id)
      if (isConfirmed) highestSeq = Math.max(highestSeq, seq)
      const firstDoneAt = facts?.firstDoneAt ?? Infinity
      if (firstDoneAt !== Infinity) endedAt = Math.max(endedAt, firstDoneAt)
    }
  }
  return wrong
}

/** Each message that is due has ended, in one way; in both ways only beside a fault. */
function endsOnce(facts: MessageFacts, faults: readonly FaultWindow[]): boolean {
  if (!hasEnded(facts)) return !isDue(facts)
  if (facts.dead > 0 && !mayDieOf(facts)) return false
  return facts.done === 0 || facts.dead === 0 || meetsFault(facts, faults)
}

/** What has no hand in it must not be taken for what always fails, kills its process, or cannot be read. */
function mayDieOf({ id, deadReason }: MessageFacts): boolean {
  const fate = fateOf(id)
  if (deadReason === 'retriesExhausted') return fate === 'failsAlways'
  if (deadReason === 'crashLoop') return fate === 'aborts'
  if (fate === 'poison') return true
  return !['undecodable', 'foreign', 'invalid'].includes(deadReason)
}

/**
 * No call beyond the ladder, a dead letter exactly at its end, and no call more than the ladder has unless a fault made
 * the broker deliver again, or the client send again what had arrived.
 */
function isWithinPolicy(facts: MessageFacts, faults: readonly FaultWindow[], maxCopies: number): boolean {
  const most = maxAttempts(facts.flow)
  if (facts.highestAttempt > most) return false
  if (facts.deadReason === 'retriesExhausted' && facts.deadAttempts !== most) return false
  const fate = fateOf(facts.id)
  const expected = expectedCalls(fate, most)
  if (facts.calls <= expected && facts.done <= 1 && facts.dead <= 1) return true
  return meetsFault(facts, faults) && facts.calls <= most * (faults.length + maxCopies)
}

function expectedCalls(fate: Fate, most: number): number {
  if (fate === 'poison') return 0
  if (fate === 'works') return 1
  // One crash more than is forgiven.
  if (fate === 'aborts') return flows.x.maxCrashes + 1
  return fate === 'failsOnce' ? 2 : most
}

/** Whether a fault, or what it left behind, fell into the life of a message. */
function meetsFault({ attemptedAt = 0, lastAt }: MessageFacts, faults: readonly FaultWindow[]): boolean {
  return faults.some(({ from, to }) => from <= lastAt && to >= attemptedAt)
}

function boundProblems({ samples, maxUnconfirmed }: RunFacts, limits: Limits): string[] {
  const problems = samples.flatMap(({ first, last }) => [
    ...(last.sockets > first.sockets + limits.maxMoreSockets
      ? [`${last.process}: ${first.sockets} sockets became ${last.sockets}`]
      : []),
    ...(last.listeners > first.listeners + limits.maxMoreSockets * maxListenersOfSocket
      ? [`${last.process}: ${first.listeners} listeners became ${last.listeners}`]
      : []),
    ...(last.timers > first.timers + maxMoreTimers + limits.maxMoreSockets
      ? [`${last.process}: ${first.timers} timers became ${last.timers}`]
      : []),
    ...(last.rssBytes > limits.maxRssBytes ? [`${last.process}: ${last.rssBytes} bytes of memory`] : []),
    ...(last.unconfirmed > 0 ? [`${last.process}: ${last.unconfirmed} unconfirmed when nothing was published`] : []),
  ])
  if (maxUnconfirmed > limits.maxUnconfirmed) problems.push(`${maxUnconfirmed} messages were unconfirmed at once`)
  return problems
}

function livenessProblems({ ledger, longestStallMs, samples, dead }: RunFacts, limits: Limits): string[] {
  const problems = [...dead]
  if (longestStallMs > limits.maxStallMs)
    problems.push(`nothing moved for ${longestStallMs} ms after a fault was healed`)
  for (const { last } of samples) if (!last.ready) problems.push(`${last.process} was not ready at the end`)
  // A process that ended as it should has heard the outcome of each of its publishes.
  for (const { id, publisher, ackedAt, failed } of ledger.messages.values()) {
    if (ledger.ended.has(publisher) && ackedAt === undefined && failed === undefined) problems.push(id)
  }
  return problems
}
