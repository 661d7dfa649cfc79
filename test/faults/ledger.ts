import type { FlowKey } from './traffic.js'
import { flowOf, flows } from './traffic.js'

/** What the files say of one message. Times are microseconds of the run. */
export interface MessageFacts {
  readonly id: string
  readonly flow: FlowKey
  attemptedAt: number | undefined
  /** The process that published it: the name of its file. */
  publisher: string
  ackedAt: number | undefined
  /** False: the broker said that nobody receives it. */
  routed: boolean
  failed: 'notSent' | 'unknown' | undefined
  calls: number
  highestAttempt: number
  firstCallAt: number
  done: number
  firstDoneAt: number
  lastDoneAt: number
  dead: number
  firstDeadAt: number
  deadReason: string
  deadAttempts: number
  /** Of its last line. */
  lastAt: number
}

/** A handler's first call, in the order of the calls of its key. */
export interface FirstCall {
  readonly id: string
  readonly seq: number
  readonly at: number
}

/** Everything that the processes of a run wrote down. */
export interface Ledger {
  readonly messages: Map<string, MessageFacts>
  /** First calls by key, of ordered flows. */
  readonly firstCalls: Map<string, FirstCall[]>
  /** Files of processes that ended as they should. */
  readonly ended: Set<string>
  readonly counts: {
    attempted: number
    /** Of publishers; what handlers publish is none of it. */
    acked: number
    unrouted: number
    notSent: number
    unknown: number
    calls: number
    deadLettered: number
    readonly done: Record<FlowKey, number>
    /** Deliveries that an inbox knew: the group moves, though nothing is done. */
    readonly repeated: Record<FlowKey, number>
    /** Messages that were confirmed or delivered, and have not ended. */
    open: number
  }
}

export function createLedger(): Ledger {
  const counts = { attempted: 0, acked: 0, unrouted: 0, notSent: 0, unknown: 0, calls: 0, deadLettered: 0, open: 0 }
  return {
    messages: new Map(),
    firstCalls: new Map(),
    ended: new Set(),
    counts: {
      ...counts,
      done: noneOfEach(),
      repeated: noneOfEach(),
    },
  }
}

function noneOfEach(): Record<FlowKey, number> {
  return Object.fromEntries(Object.keys(flows).map((key) => [key, 0])) as Record<FlowKey, number>
}

/** Whether the run owes this message an end. */
export function isDue({ ackedAt, routed, calls }: MessageFacts): boolean {
  return (ackedAt !== undefined && routed) || calls > 0
}

export function hasEnded({ done, dead }: MessageFacts): boolean {
  return done > 0 || dead > 0
}

/** Takes one line of a file into the ledger; throws on what no process writes. */
export function applyLine(ledger: Ledger, file: string, line: string): void {
  const fields = line.split(' ')
  const [letter, id = ''] = fields
  const at = Number(fields.at(-1))
  if (letter === 'e') return void ledger.ended.add(file)
  const apply = readers[letter ?? '']
  if (apply === undefined || !Number.isFinite(at)) throw new Error(`${file}: no line of a ledger: ${line}`)
  const facts = factsOf(ledger, id)
  const wasOpen = isDue(facts) && !hasEnded(facts)
  facts.lastAt = Math.max(facts.lastAt, at)
  apply({ ledger, facts, fields, at, file })
  const isOpen = isDue(facts) && !hasEnded(facts)
  if (isOpen !== wasOpen) ledger.counts.open += isOpen ? 1 : -1
}

interface Line {
  readonly ledger: Ledger
  readonly facts: MessageFacts
  readonly fields: readonly string[]
  readonly at: number
  readonly file: string
}

const readers: Readonly<Record<string, (line: Line) => void>> = {
  a({ ledger, facts, at, file }) {
    // A handler that is called again publishes its message again.
    if (facts.attemptedAt === undefined) ledger.counts.attempted += 1
    facts.attemptedAt ??= at
    facts.publisher = file
  },
  k({ ledger, facts, fields, at }) {
    if (facts.ackedAt === undefined && facts.flow !== 'f') ledger.counts.acked += 1
    facts.ackedAt ??= at
    facts.routed = fields[2] === '1'
    if (!facts.routed) ledger.counts.unrouted += 1
  },
  f({ ledger, facts, fields }) {
    facts.failed = fields[2] === 'notSent' ? 'notSent' : 'unknown'
    ledger.counts[facts.failed] += 1
  },
  h({ ledger, facts, fields, at }) {
    ledger.counts.calls += 1
    facts.calls += 1
    facts.highestAttempt = Math.max(facts.highestAttempt, Number(fields[2]))
    if (at >= facts.firstCallAt) return
    facts.firstCallAt = at
    if (flows[facts.flow].ordered) noteFirstCall(ledger, fields[3]!, { id: facts.id, seq: Number(fields[4]), at })
  },
  d({ ledger, facts, at }) {
    if (facts.done === 0) ledger.counts.done[facts.flow] += 1
    facts.done += 1
    facts.firstDoneAt = Math.min(facts.firstDoneAt, at)
    facts.lastDoneAt = Math.max(facts.lastDoneAt, at)
  },
  r({ ledger, facts }) {
    ledger.counts.repeated[facts.flow] += 1
  },
  z({ ledger, facts, fields, at }) {
    if (facts.dead === 0) ledger.counts.deadLettered += 1
    facts.dead += 1
    if (at >= facts.firstDeadAt) return
    facts.firstDeadAt = at
    facts.deadReason = fields[2]!
    facts.deadAttempts = Number(fields[3])
  },
}

/** Files are read one after the other: an earlier call of the same message may turn up later. */
function noteFirstCall(ledger: Ledger, key: string, call: FirstCall): void {
  const calls = ledger.firstCalls.get(key) ?? []
  ledger.firstCalls.set(key, calls)
  calls.push(call)
}

function factsOf(ledger: Ledger, id: string): MessageFacts {
  const known = ledger.messages.get(id)
  if (known !== undefined) return known
  const facts: MessageFacts = {
    id,
    flow: flowOf(id),
    attemptedAt: undefined,
    publisher: '',
    ackedAt: undefined,
    routed: true,
    failed: undefined,
    calls: 0,
    highestAttempt: 0,
    firstCallAt: Infinity,
    done: 0,
    firstDoneAt: Infinity,
    lastDoneAt: 0,
    dead: 0,
    firstDeadAt: Infinity,
    deadReason: '',
    deadAttempts: 0,
    lastAt: 0,
  }
  ledger.messages.set(id, facts)
  return facts
}
