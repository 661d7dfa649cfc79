/** Measures how long nothing moved although it could. */
export interface StallWatch {
  /** A count of this flow; more than before is progress. */
  count(flow: string, value: number): void
  faultBegan(): void
  /** Everything has to move from now on; also for the beginning of the traffic. */
  faultHealed(): void
  /** Nothing is expected to move any more. */
  end(): void
  /** Whether every flow has moved since the last fault was healed. */
  readonly recovered: boolean
  /** Flows that have not moved since then. */
  readonly waiting: readonly string[]
  /** Longest time in which one flow did not move, begun at the earliest when a fault was healed. */
  readonly longestMs: number
}

interface Flow {
  value: number
  /** Since when it has not moved. */
  since: number
  moved: boolean
}

export function createStallWatch(names: readonly string[], now: () => number): StallWatch {
  const flows = new Map<string, Flow>(names.map((name) => [name, { value: 0, since: now(), moved: false }]))
  // Before the traffic begins nothing has to move.
  let counting = false
  let longestMs = 0
  function look(flow: Flow): void {
    if (counting) longestMs = Math.max(longestMs, now() - flow.since)
  }
  function restart(): void {
    for (const flow of flows.values()) Object.assign(flow, { since: now(), moved: false })
  }
  return {
    count(name, value) {
      const flow = flows.get(name)!
      look(flow)
      if (value <= flow.value) return
      Object.assign(flow, { value, since: now(), moved: true })
    },
    faultBegan() {
      for (const flow of flows.values()) look(flow)
      counting = false
    },
    faultHealed() {
      counting = true
      restart()
    },
    end() {
      for (const flow of flows.values()) look(flow)
      counting = false
    },
    get recovered() {
      return [...flows.values()].every(({ moved }) => moved)
    },
    get waiting() {
      return [...flows].filter(([, { moved }]) => !moved).map(([name]) => name)
    },
    get longestMs() {
      return Math.round(longestMs)
    },
  }
}
