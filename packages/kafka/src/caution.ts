import type { CrashRecord } from './crashRecord.js'
import type { Turns } from './turns.js'

export interface CautionParts {
  readonly turns: Turns
  readonly record: CrashRecord
  /** Where the process before died, perhaps. */
  readonly head: number
  /** How often processes have died there. */
  readonly starts: number
  /** Commits the head and its metadata; gives the head, or undefined when that did not work. */
  readonly write: () => Promise<number | undefined>
  /** Something has changed: ask again. */
  readonly onChange: () => void
}

/**
 * After a crash, the culprit is somewhere behind the committed offset. So the first messages go one at a time, each
 * committed as the head before it is handed over: the next crash then points at exactly one. Of a partition no more than so many,
 * since more than a consumer holds cannot be to blame.
 */
const cautiousCount = 100

/** Hands over one message at a time after a crash, until there is no suspicion left. */
export class Caution {
  readonly #parts: CautionParts
  #left = cautiousCount
  /** What is on record as the head: it may be handed over. */
  #recorded: number | undefined
  #isWriting = false
  /** Whether this start is on record for the head. */
  #counted = false

  constructor(parts: CautionParts) {
    this.#parts = parts
  }

  /** Whether the message may be handed over now; asks for what is missing if not. */
  permits(offset: number, inFlight: number): boolean {
    if (this.#left === 0) return true
    if (this.#parts.turns.isOver) {
      this.#left = 0
      this.release()
      return true
    }
    const { turns, onChange } = this.#parts
    if (this.#isWriting) return false
    if (inFlight > 0) {
      turns.wait(this, onChange)
      return false
    }
    if (!turns.take(this, onChange)) return false
    if (this.#recorded !== offset) {
      void this.#record(offset)
      return false
    }
    this.#recorded = undefined
    this.#left -= 1
    if (this.#left === 0) this.release()
    return true
  }

  /**
   * What was tried did no harm. It is the turn of others as soon as that is on record: if one of them is the culprit, this one
   * must not be found as the head again.
   */
  settled(): void {
    if (this.#left === 0 || this.#isWriting) return
    void this.#write().then(() => {
      this.release()
      this.#parts.onChange()
    })
  }

  /** Nothing is being tried: it is the turn of others. */
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

  async #record(offset: number): Promise<void> {
    if (offset === this.#parts.head) this.#counted = true
    await this.#write()
    this.#parts.onChange()
  }

  async #write(): Promise<void> {
    this.#isWriting = true
    this.#recorded = await this.#parts.write()
    this.#isWriting = false
  }
}
