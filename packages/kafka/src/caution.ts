import type { CrashRecord } from './crashRecord.js'
import type { Turns } from './turns.js'

export interface CautionParts {
  readonly turns: Turns
  readonly record: CrashRecord
  /** Where the process before died, perhaps. */
  readonly head: number
  /** How often processes have died there. */
  readonly starts: number
  /** Commits the head and its metadata; says whether that worked. */
  readonly write: () => Promise<boolean>
  /** Something has changed: ask again. */
  readonly onChange: () => void
}

/**
 * After a crash, the culprit is somewhere behind the committed offset. So the first messages go one at a time, each
 * committed as the head before it is handed over: the next crash then points at exactly one. Each start gets further by
 * at least so many messages, however many there are.
 */
const cautiousCount = 100

/** Hands over one message at a time after a crash, until there is no suspicion left. */
export class Caution {
  readonly #parts: CautionParts
  #left = cautiousCount
  #cleared: number | undefined
  #isWriting = false
  /** Whether this start is on record for the head. */
  #counted = false

  constructor(parts: CautionParts) {
    this.#parts = parts
  }

  /** Whether the message may be handed over now; asks for what is missing if not. */
  permits(offset: number, inFlight: number): boolean {
    if (this.#left === 0) return true
    if (inFlight > 0 || this.#isWriting) return false
    if (this.#cleared === offset) {
      this.#cleared = undefined
      this.#left -= 1
      if (this.#left === 0) this.release()
      return true
    }
    if (this.#parts.turns.take(this, this.#parts.onChange)) void this.#clear(offset)
    return false
  }

  /** Nothing is there to be tried: others may. */
  release(): void {
    this.#parts.turns.giveBack(this)
  }

  /** How often processes died on this message before. */
  startsAt(offset: number): number {
    return offset === this.#parts.head ? this.#parts.starts : 0
  }

  /** What a commit at this offset says while we run, and `ifClean` when we let go of it alive: then we do not count. */
  metadata(offset: number, ifClean: boolean): string | undefined {
    const { head, starts, record } = this.#parts
    if (offset !== head) return undefined
    // The count before ours, for whoever comes next to count on: it must not look like our own.
    if (ifClean || !this.#counted) return record.left(head, starts - 1)
    return record.running(head, starts)
  }

  async #clear(offset: number): Promise<void> {
    this.#isWriting = true
    if (offset === this.#parts.head) this.#counted = true
    const worked = await this.#parts.write()
    this.#isWriting = false
    if (worked) this.#cleared = offset
    this.#parts.onChange()
  }
}
