import { keyOf } from './keyOf.js'
import type { EntryFailure, FailureVerdict, OutboxEntry, ParkedDecision, ParkedKey } from './ports.js'

interface Row {
  readonly entry: OutboxEntry
  readonly key: string
  attempts: number
  isDeleted: boolean
}

/** What is not wanted, and how much is. */
export interface PartitionRead {
  readonly exceptIds: ReadonlySet<bigint>
  readonly exceptKeys: ReadonlySet<string>
  readonly maxCount: number
  readonly now: number
}

/** The entries of one partition in the order of their ids. A row may come in below others: its transaction took longer. */
export class MemoryPartition {
  readonly #partition: number
  #rows: Row[] = []
  /** Everything before it is deleted. */
  #head = 0
  #deletedCount = 0
  readonly #byId = new Map<bigint, Row>()
  #scheduled: OutboxEntry[] = []
  readonly #parked = new Map<string, ParkedKey>()
  /** Until when a key waits, and for which of its entries. */
  readonly #waiting = new Map<string, { readonly id: bigint; readonly until: number }>()

  constructor(partition: number) {
    this.#partition = partition
  }

  get dueCount(): number {
    return this.#byId.size
  }

  get scheduledCount(): number {
    return this.#scheduled.length
  }

  get parked(): readonly ParkedKey[] {
    return [...this.#parked.values()]
  }

  /** When the first entry with a time to come is due, in epoch milliseconds. */
  get nextDue(): number | undefined {
    if (this.#scheduled.length === 0) return undefined
    return Math.min(...this.#scheduled.map(({ notBefore }) => notBefore?.getTime() ?? 0))
  }

  /** Since when the oldest entry that is due waits, in epoch milliseconds. */
  get oldest(): number | undefined {
    return this.#rows[this.#head]?.entry.createdAt.getTime()
  }

  add(entry: OutboxEntry): void {
    if (entry.notBefore !== undefined) this.#scheduled.push(entry)
    else this.#insert(entry)
  }

  read({ exceptIds, exceptKeys, maxCount, now }: PartitionRead): OutboxEntry[] {
    const found: OutboxEntry[] = []
    for (let index = this.#head; index < this.#rows.length && found.length < maxCount; index += 1) {
      const { entry, key, attempts, isDeleted } = this.#rows[index] as Row
      if (isDeleted || exceptIds.has(entry.id) || exceptKeys.has(key)) continue
      if (this.#parked.has(key) || (this.#waiting.get(key)?.until ?? 0) > now) continue
      found.push(attempts === 0 ? entry : { ...entry, attempts })
    }
    return found
  }

  remove(id: bigint): boolean {
    const row = this.#byId.get(id)
    if (row === undefined) return false
    this.#byId.delete(id)
    row.isDeleted = true
    this.#deletedCount += 1
    if (this.#waiting.get(row.key)?.id === id) this.#waiting.delete(row.key)
    while (this.#rows[this.#head]?.isDeleted === true) this.#head += 1
    if (this.#deletedCount > 1_000 && this.#deletedCount > this.#rows.length / 2) this.#sweep()
    return true
  }

  /** Counts a failure: the key waits until `retryAt`, or is parked with the attempt `maxAttempts`. */
  fail(
    id: bigint,
    failure: EntryFailure,
    until: { maxAttempts: number; retryAt: number; now: number },
  ): FailureVerdict {
    const row = this.#byId.get(id)
    if (row === undefined) return { attempts: 0, parked: false }
    const parkedId = this.#parked.get(row.key)?.entryId
    if (parkedId !== undefined && parkedId !== id) return { attempts: 0, parked: true }
    const countedId = this.#waiting.get(row.key)?.id
    if (countedId !== undefined && countedId < id) return { attempts: 0, parked: false }
    const counted = countedId === undefined || countedId === id ? undefined : this.#byId.get(countedId)
    // One before it has failed: that is counted from now on.
    if (counted !== undefined) counted.attempts = 0
    row.attempts += 1
    const parked = row.attempts >= until.maxAttempts
    if (parked) this.#park(row, failure, until.now)
    else this.#waiting.set(row.key, { id, until: until.retryAt })
    return { attempts: row.attempts, parked }
  }

  isParked(key: string): boolean {
    return this.#parked.has(key)
  }

  decide(key: string, decision: ParkedDecision): number | false {
    const parked = this.#parked.get(key)
    if (parked === undefined) return false
    this.#parked.delete(key)
    this.#waiting.delete(key)
    if (decision === 'discard') return this.#discard(key)
    if (decision === 'skip') return this.remove(parked.entryId) ? 1 : 0
    const row = this.#byId.get(parked.entryId)
    if (row !== undefined) row.attempts = 0
    return 0
  }

  /** Makes due entries ordinary ones, with the ids that they get now. */
  release(now: number, maxCount: number, nextId: () => bigint): number {
    const isDue = ({ notBefore }: OutboxEntry): boolean => (notBefore?.getTime() ?? 0) <= now
    const due = this.#scheduled.filter(isDue).slice(0, maxCount)
    if (due.length === 0) return 0
    this.#scheduled = this.#scheduled.filter((entry) => !due.includes(entry))
    for (const entry of due) this.#insert({ ...entry, id: nextId() })
    return due.length
  }

  #insert(entry: OutboxEntry): void {
    const row: Row = { entry, key: keyOf(entry), attempts: 0, isDeleted: false }
    this.#byId.set(entry.id, row)
    let place = this.#rows.length
    while (place > this.#head && (this.#rows[place - 1] as Row).entry.id > entry.id) place -= 1
    if (place === this.#rows.length) this.#rows.push(row)
    else this.#rows.splice(place, 0, row)
  }

  #park(row: Row, failure: EntryFailure, now: number): void {
    const { entry, key, attempts } = row
    this.#waiting.delete(key)
    this.#parked.set(key, {
      partition: this.#partition,
      key,
      entryId: entry.id,
      messageId: entry.message.id,
      destination: entry.destination,
      type: entry.message.type,
      attempts,
      failure,
      parkedAt: new Date(now),
    })
  }

  #discard(key: string): number {
    const ids = this.#rows.filter((row) => !row.isDeleted && row.key === key).map(({ entry }) => entry.id)
    for (const id of ids) this.remove(id)
    const kept = this.#scheduled.filter((entry) => keyOf(entry) !== key)
    const scheduledCount = this.#scheduled.length - kept.length
    this.#scheduled = kept
    return ids.length + scheduledCount
  }

  #sweep(): void {
    this.#rows = this.#rows.filter(({ isDeleted }) => !isDeleted)
    this.#deletedCount = 0
    this.#head = 0
  }
}
