import type { Clock, TimerHandle } from '@posthorn/core/adapter'

/** One after the other: of everything that may kill the process, only one message is tried at a time. */
export interface Turns {
  /** There were turns for so long without a crash that there need be none any more. */
  readonly isOver: boolean
  /** Another suspect has come: however long there were turns, there are again. */
  begin(): void
  /** Whether it is the owner's turn; if not, `onTurn` is called when that has changed. */
  take(owner: object, onTurn: () => void): boolean
  /** The owner has more to try than may be tried now: `onTurn` is called when turns are over, and perhaps before. */
  wait(owner: object, onTurn: () => void): void
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
  let turnEnd: TimerHandle | undefined
  let end: TimerHandle | undefined
  let beganAt: number | undefined

  function leftMs(): number {
    return beganAt === undefined ? longestCautionMs : beganAt + longestCautionMs - clock.monotonic()
  }

  /** Tells whoever waits when turns are over: with a handler that goes on and on nothing else would make it ask again. */
  function run(): void {
    beganAt ??= clock.monotonic()
    end ??= clock.schedule(Math.max(0, leftMs()), onEnd, { background: true })
  }

  function onEnd(): void {
    end = undefined
    // The clock of timers may be ahead by a fraction of a millisecond, and turns may have begun anew.
    if (leftMs() > 0) run()
    else wake()
  }

  function wake(): void {
    // All of them: the first may have nothing to try any more, and nobody else would wake the others.
    const woken = [...waiting.values()]
    waiting.clear()
    for (const onTurn of woken) onTurn()
  }

  function next(): void {
    turnEnd?.cancel()
    current = undefined
    wake()
  }

  return {
    get isOver() {
      return leftMs() <= 0
    },
    begin() {
      beganAt = undefined
      if (current !== undefined || waiting.size > 0) run()
    },
    take(owner, onTurn) {
      if (current === owner) return true
      if (current !== undefined) {
        waiting.set(owner, onTurn)
        return false
      }
      current = owner
      run()
      turnEnd = clock.schedule(longestTurnMs, next, { background: true })
      return true
    },
    wait(owner, onTurn) {
      waiting.set(owner, onTurn)
      run()
    },
    giveBack(owner) {
      waiting.delete(owner)
      if (current === owner) next()
      if (current !== undefined || waiting.size > 0) return
      end?.cancel()
      end = undefined
    },
  }
}
