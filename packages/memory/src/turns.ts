/** Runs work in the next turn of the event loop, as if it came from a broker's socket. */
export interface Turns {
  /** Runs `job` in the next turn, after the jobs that were given before it. */
  run(job: () => void): void
}

// Taken once: fake timers of a test runner hold the tests' own timers, not the broker.
const inNextTurn = setImmediate

/**
 * All jobs of one turn share one `setImmediate`. Not a microtask: a loop that publishes and awaits would then never let
 * the event loop turn, and fill the queue before the first delivery. `onTurn` is called before each turn's jobs.
 */
export function createTurns(onTurn: () => void): Turns {
  let jobs: (() => void)[] = []

  function turn(): void {
    const due = jobs
    jobs = []
    onTurn()
    for (const job of due) job()
  }

  return {
    run(job) {
      jobs.push(job)
      if (jobs.length === 1) inNextTurn(turn)
    },
  }
}

/** Resolves in the next turn of the event loop, when all promise jobs before it have run. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    inNextTurn(resolve)
  })
}
