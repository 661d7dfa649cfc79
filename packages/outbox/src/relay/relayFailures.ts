import { codeOf, fullJitter } from '@posthorn/core/adapter'
import type { FailureVerdict } from '../ports.js'
import type { HeldEntry } from './heldEntries.js'
import type { RelayWorld } from './relayWorld.js'

/** Tells the store and the log what failed. */
export interface FailureReports {
  /** Resolves with when the key comes again: in so many milliseconds, or never for one that was parked; undefined: not told. */
  own(held: HeldEntry, error: unknown): Promise<number | undefined>
  /** Says that the broker is away, not more often than people want to read it. */
  outage(held: HeldEntry, error: unknown): void
}

const ownBackoff = { firstMs: 1_000, maxMs: 60_000 }
const outageLogMs = 10_000
/** What an operator is shown of an error. */
const maxMessageLength = 1_000

export function createFailureReports(world: RelayWorld): FailureReports {
  let quietUntil = 0

  function told(held: HeldEntry, error: unknown, { attempts, parked }: FailureVerdict): void {
    const { entry, lane } = held
    world.counts.failed += 1
    const { id: messageId, type } = entry.message
    const message = { partition: held.partition, messageId, type, destination: entry.destination }
    if (parked) {
      world.counts.parked += 1
      // The operator needs the key for the decision.
      const facts = { event: 'relay.parked', ...message, key: lane.key, attempts, err: error }
      world.logger.error(facts, 'A key is parked: its first entry cannot be published, and those behind it wait')
    } else world.logger.warn({ event: 'relay.failed', ...message, attempts, err: error }, 'An entry was refused')
  }

  return {
    async own(held, error) {
      const attempt = held.entry.attempts + 1
      const boundMs = Math.min(ownBackoff.maxMs, ownBackoff.firstMs * 2 ** Math.min(attempt - 1, 30))
      // Half of it at least: an entry must not use its attempts up within a moment.
      const retryAfterMs = Math.round((boundMs + fullJitter(attempt, ownBackoff)) / 2)
      const failure = { code: failureCode(error), message: failureText(error) }
      const policy = { maxAttempts: world.options.maxAttempts, retryAfterMs }
      const ref = { partition: held.partition, id: held.id, fence: held.fence }
      try {
        const verdict = await world.ask((store) => store.fail(world.name, ref, failure, policy))
        if (verdict.attempts > 0) told(held, error, verdict)
        return verdict.parked ? Infinity : retryAfterMs
      } catch (err) {
        const facts = { event: 'relay.failureNotStored', messageId: held.entry.message.id, err }
        world.logger.warn(facts, 'A failure could not be stored; the entry is tried again')
        return undefined
      }
    },
    outage({ entry }, error) {
      const now = world.clock.monotonic()
      if (now < quietUntil) return
      quietUntil = now + outageLogMs
      const facts = { event: 'relay.outage', destination: entry.destination, err: error }
      world.logger.warn(facts, 'The broker does not take entries; they stay in the outbox and are tried again')
    },
  }
}

function failureCode(error: unknown): string {
  return codeOf(error) ?? (error instanceof Error ? error.name : 'unknown')
}

function failureText(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, maxMessageLength)
}
