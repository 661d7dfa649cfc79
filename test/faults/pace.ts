/** Publishes at a steady rate while it runs. */
export interface Publishing {
  run(): void
  /** Resolves when every publish has settled. */
  pause(): Promise<void>
}

export interface PaceOptions {
  /** Pieces of work in a second. */
  readonly rate: number
  /** So many are under way at once; what does not fit is left out. */
  readonly maxOpen: number
  /** Never rejects. */
  readonly work: () => Promise<void>
}

const turnMs = 10

/** Begins one piece of work after the other. */
export function createPace({ rate, maxOpen, work }: PaceOptions): Publishing {
  let open = 0
  let due = 0
  let countedAt = 0
  let timer: NodeJS.Timeout | undefined
  let onIdle: (() => void)[] = []

  function turn(): void {
    // By the clock: on a busy machine the turns are further apart.
    const now = performance.now()
    due = Math.min(due + (rate * (now - countedAt)) / 1_000, rate / 10)
    countedAt = now
    for (; due >= 1 && open < maxOpen; due -= 1) {
      open += 1
      void work().finally(() => {
        open -= 1
        if (open > 0) return
        for (const resolve of onIdle.splice(0)) resolve()
      })
    }
  }

  return {
    run() {
      if (timer !== undefined) return
      countedAt = performance.now()
      timer = setInterval(turn, turnMs)
    },
    pause() {
      clearInterval(timer)
      timer = undefined
      return open === 0 ? Promise.resolve() : new Promise((resolve) => onIdle.push(resolve))
    },
  }
}
