import type { Clock, TimerHandle } from '@posthorn/core/adapter'

/** One after the other: of everything that may kill the process, only one message is tried at a time. */
export interface Turns {
  /** There were turns for so long without a crash that there need be none any more. */
  readonly isOver: boolean
  /** Another suspect has come: however long there were turns, there are again. */
  begin(): void
  /** Whether it is the owner's turn; if not, `onTurn` is called when that has changed. */
  take(owner: object, onTurn: () => void): boolean
  giveBack(owner: object): void
}

/** A handler that takes longer than this does not keep the others waiting. */
const longestTurnMs = 30_000
/**
 * Turns end after this time. Each partition's first message has been tried by then, and those that stand before the culprit in its
 * partition get fewer with every start: it becomes the first one, and is found.
 */
const longestCautionMs = 10_000

export function createTurns(clock: Clock): Turns {
  const waiting = new Map<object, () => void>()
  let current: object | undefined
  let timer: TimerHandle | undefined
  let beganAt: number | undefined

  function next(): void {
    timer?.cancel()
    current = undefined
    // All of them: the first may have nothing to try any more, and nobody else would wake the others.
    const woken = [...waiting.values()]
    waiting.clear()
    for (const onTurn of woken) onTurn()
  }

  return {
    get isOver() {
      return beganAt !== undefined && clock.monotonic() - beganAt > longestCautionMs
    },
    begin: () => void (beganAt = undefined),
    take(owner, onTurn) {
      if (current === owner) return true
      if (current !== undefined) {
        waiting.set(owner, onTurn)
        return false
      }
      current = owner
      beganAt ??= clock.monotonic()
      timer = clock.schedule(longestTurnMs, next, { background: true })
      return true
    },
    giveBack(owner) {
      waiting.delete(owner)
      if (current === owner) next()
    },
  }
}
