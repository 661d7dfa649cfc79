import type { PartSurroundings } from '@posthorn/core'
import { LifecycleError } from '@posthorn/core/adapter'
import type { TimerHandle } from '@posthorn/core/adapter'
import type { InboxStore } from './ports.js'

/** What the upkeep of an inbox has come to. */
export interface UpkeepState {
  readonly attached: boolean
  readonly running: boolean
  /** Why the last upkeep failed; undefined when it did not. */
  readonly failure: string | undefined
  readonly dropped: number
}

/** Makes room ahead and drops what is old, from time to time, while a service runs. */
export interface InboxUpkeep {
  readonly state: UpkeepState
  /** Resolves when there is room; rejects with the store's error. */
  start(surroundings: PartSurroundings): Promise<void>
  stop(): Promise<void>
}

/** `intervalMs` 0: somebody else does it. */
export function createInboxUpkeep<Tx>(store: InboxStore<Tx>, intervalMs: number): InboxUpkeep {
  const state = { attached: false, running: false, failure: undefined as string | undefined, dropped: 0 }
  let timer: TimerHandle | undefined
  let working: Promise<void> | undefined
  /** Counts calls of `stop`: a start that was stopped meanwhile must not go on. */
  let stops = 0

  async function maintain(surroundings: PartSurroundings): Promise<void> {
    const { created, dropped } = await store.maintain()
    state.dropped += dropped
    state.failure = undefined
    if (created + dropped > 0) {
      surroundings.logger.info(
        { event: 'inbox.maintained', created, dropped },
        'The inbox made room and dropped what is old',
      )
    }
  }

  function plan(surroundings: PartSurroundings): void {
    timer = surroundings.clock.schedule(intervalMs, () => void (working = again(surroundings)), { background: true })
  }

  /** A database that is away for a while costs nothing: there is room for days. */
  async function again(surroundings: PartSurroundings): Promise<void> {
    try {
      await maintain(surroundings)
    } catch (error) {
      state.failure = `upkeep failed: ${error instanceof Error ? error.message : typeof error}`
      surroundings.logger.warn(
        { event: 'inbox.maintain', err: error },
        'The upkeep of the inbox failed; tried again later',
      )
    }
    if (state.running) plan(surroundings)
  }

  return {
    state,
    async start(surroundings) {
      if (state.running) throw alreadyStarted()
      state.attached = true
      const before = stops
      if (intervalMs > 0) await maintain(surroundings)
      if (stops > before) return
      state.running = true
      if (intervalMs > 0) plan(surroundings)
    },
    async stop() {
      stops += 1
      state.running = false
      timer?.cancel()
      await working
    },
  }
}

function alreadyStarted(): LifecycleError {
  return new LifecycleError({
    code: 'POSTHORN_ALREADY_STARTED',
    message: 'This inbox runs in a service already; make one for each service, on the same store if you like',
  })
}
