import type { Service } from '@posthorn/core'
import type { MemoryBroker, MemoryQueue, VirtualClock } from '@posthorn/memory'

/** A harness that did not come to rest. The message says what is left. */
export class NotIdleError extends Error {
  /** Queues with messages that are not handled. */
  readonly left: readonly MemoryQueue[]

  constructor(message: string, left: readonly MemoryQueue[]) {
    super(message)
    this.name = 'NotIdleError'
    this.left = left
  }
}

/** What is looked at to tell whether work is left. */
export interface Activity {
  readonly services: readonly Service[]
  readonly broker: MemoryBroker
  readonly clock: VirtualClock
  readonly nextDue: () => number | undefined
  /** Real time until it gives up, in milliseconds. */
  readonly timeoutMs: number
}

/** So long handlers may do real I/O before virtual time moves on without them: their retries must not be starved. */
const patienceMs = 200

/**
 * Moves virtual time from one piece of work to the next until none is left. Handlers that run are waited for in real
 * time first, so that their own timeouts do not fire while they read a file.
 */
export async function waitUntilIdle(activity: Activity): Promise<void> {
  const { clock, nextDue, timeoutMs } = activity
  const end = performance.now() + timeoutMs
  let patientUntil = performance.now() + patienceMs
  for (;;) {
    await advanceUntil(end, 0, activity)
    const due = nextDue()
    const waitsForIo = isWorking(activity) && (due === undefined || performance.now() < patientUntil)
    if (due !== undefined && !waitsForIo) {
      await advanceUntil(end, due - clock.monotonic(), activity)
      patientUntil = performance.now() + patienceMs
    } else if (!waitsForIo && queuesLeft(activity).length === 0) return
    else await new Promise((resolve) => setTimeout(resolve, 1))
    if (performance.now() > end) throw notIdle(activity)
  }
}

/** Moves virtual time by `ms`; rejects when the services publish to each other without end, since time then stands. */
export function advanceUntil(end: number, ms: number, activity: Activity): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(notIdle(activity)), Math.max(0, end - performance.now()))
    activity.clock
      .advance(ms)
      .then(resolve, reject)
      .finally(() => clearTimeout(timer))
  })
}

function isWorking({ services }: Activity): boolean {
  return services.some((service) => {
    const { consumers, publisher } = service.health()
    return publisher.unconfirmed > 0 || consumers.some(({ running }) => running > 0)
  })
}

/** Queues whose messages somebody should handle. Dead letters rest; so does what nobody subscribes to any more. */
function queuesLeft({ broker }: Activity): MemoryQueue[] {
  return broker.queues().filter(({ name, ready, unsettled, members }) => {
    return !name.endsWith('.dead') && unsettled + (members > 0 ? ready : 0) > 0
  })
}

function notIdle(activity: Activity): NotIdleError {
  const left = queuesLeft(activity)
  const queues = left.map(({ name, ready, unsettled }) => `- ${name}: ${ready} ready, ${unsettled} with a handler`)
  const calls = activity.services.flatMap((service) => service.health().consumers)
  const running = calls.filter((consumer) => consumer.running > 0 || consumer.state === 'paused')
  const groups = running.map(({ group, running: count, state }) => `- group ${group}: ${count} handlers run, ${state}`)
  const lines = [...queues, ...groups]
  return new NotIdleError(
    `The services were not idle after ${activity.timeoutMs} ms of real time; left are\n${lines.join('\n')}`,
    left,
  )
}
