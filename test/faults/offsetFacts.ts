import type { Ledger } from './ledger.js'

/** A partition of a topic, and how often the topic was made anew before. */
export interface Place {
  readonly topic: string
  readonly generation: number
  readonly partition: number
}

/** One record, and when it was sent, in microseconds of the run. */
export interface SeenRecord {
  readonly offset: number
  readonly id: string
  readonly at: number
}

/** What was seen of topics and of what groups committed. */
export interface OffsetFacts {
  /** How many commits that moved an offset were seen. */
  readonly commitCount: number
  generationOf(topic: string): number
  /** Where reading goes on. */
  nextOf(topic: string, partition: number): number
  record(place: Place, record: SeenRecord): void
  /** A group had committed this by then. */
  committed(place: Place, offset: number, at: number): void
  /** Somebody sets the offsets of the topic's group by hand: what is committed until `forget` says nothing. */
  ignore(topic: string): void
  /** The topic, or its offsets, begin anew. */
  forget(topic: string): void
  /** Says which commits went beyond a message that had not ended, or back: none should. */
  problems(ledger: Ledger): string[]
}

interface Commit {
  readonly offset: number
  readonly at: number
}

interface Log {
  readonly place: Place
  readonly records: SeenRecord[]
  readonly commits: Commit[]
}

export function createOffsetFacts(): OffsetFacts {
  const logs = new Map<string, Log>()
  const generations = new Map<string, number>()
  const ignored = new Set<string>()
  let commitCount = 0

  const generationOf = (topic: string): number => generations.get(topic) ?? 0

  function logOf(place: Place): Log {
    const key = `${place.topic}#${place.generation}/${place.partition}`
    const known = logs.get(key) ?? { place, records: [], commits: [] }
    logs.set(key, known)
    return known
  }

  return {
    get commitCount() {
      return commitCount
    },
    generationOf,
    nextOf(topic, partition) {
      const { records } = logOf({ topic, partition, generation: generationOf(topic) })
      return (records.at(-1)?.offset ?? -1) + 1
    },
    record: (place, record) => void logOf(place).records.push(record),
    committed(place, offset, at) {
      // It was asked for before the topic began anew.
      if (place.generation !== generationOf(place.topic) || ignored.has(place.topic)) return
      const { commits } = logOf(place)
      if (commits.at(-1)?.offset === offset) return
      commits.push({ offset, at })
      commitCount += 1
    },
    ignore: (topic) => void ignored.add(topic),
    forget(topic) {
      ignored.delete(topic)
      generations.set(topic, generationOf(topic) + 1)
    },
    problems(ledger) {
      const known = { ledger, copies: copiesIn(logs) }
      return [...logs.values()].flatMap((log) => problemsOf(log, known))
    },
  }
}

/** Of a message: in which topics copies of it were written, and when. */
type Copies = ReadonlyMap<string, readonly { readonly stage: number; readonly at: number }[]>

function problemsOf({ place, records, commits }: Log, known: { ledger: Ledger; copies: Copies }): string[] {
  const { topic, partition } = place
  const problems: string[] = []
  let next = 0
  let before = 0
  for (const { offset, at } of commits) {
    if (offset < before) problems.push(`${topic}[${partition}]: the group went back from ${before} to ${offset}`)
    before = offset
    for (; next < records.length && records[next]!.offset < offset; next += 1) {
      const record = records[next]!
      if (endOf(record, stageOf(topic), known) > at) {
        problems.push(`${record.id} in ${topic}[${partition}]@${record.offset} had not ended at a commit of ${offset}`)
      }
    }
  }
  return problems
}

/** When the record needed its place no longer: handled, or copied to a later stage. */
function endOf(record: SeenRecord, stage: number, { ledger, copies }: { ledger: Ledger; copies: Copies }): number {
  const doneAt = ledger.messages.get(record.id)?.firstDoneAt ?? Infinity
  return (copies.get(record.id) ?? [])
    .filter((copy) => copy.stage > stage || (copy.stage === stage && copy.at > record.at))
    .reduce((end, { at }) => Math.min(end, at), doneAt)
}

function copiesIn(logs: ReadonlyMap<string, Log>): Copies {
  const copies = new Map<string, { stage: number; at: number }[]>()
  for (const { place, records } of logs.values()) {
    const stage = stageOf(place.topic)
    if (stage === 0) continue
    for (const { id, at } of records) copies.set(id, [...(copies.get(id) ?? []), { stage, at }])
  }
  return copies
}

/** The work first, then the rungs of the ladder by their delays, then the dead letters. */
function stageOf(topic: string): number {
  if (topic.endsWith('.dead')) return Infinity
  const delayMs = /\.retry\.(\d+)$/.exec(topic)?.[1]
  return delayMs === undefined ? 0 : 1 + Number(delayMs)
}
