/** Counts how often a connection was lost in a row for one and the same reason. */
export interface LossStreak {
  /** Losses in a row with the last reason, the last one included; 0 when the last connection held for long. */
  readonly count: number
  /** Takes note of a loss, and of how long the connection had held. */
  add(reason: string, heldMs: number): void
}

/** So many times the same is no accident: a message that breaks the connection is delivered again and again. */
export const suspiciousStreak = 5

/** A connection that held so long has nothing to do with the losses before it. */
const longMs = 60_000

/** Begins with none. */
export function createLossStreak(): LossStreak {
  let count = 0
  let last: string | undefined
  return {
    get count() {
      return count
    },
    add(reason, heldMs) {
      // Sizes and tags differ from loss to loss.
      const kind = reason.replaceAll(/\d+/g, '#')
      count = kind === last && heldMs < longMs ? count + 1 : 1
      last = kind
    },
  }
}
