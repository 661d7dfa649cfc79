import type { Logger, Subscription } from '@posthorn/core/adapter'
import type { Counts } from './counts.js'

/** What a delivery means for the consumer that got it. */
export type Verdict =
  /** Nothing. */
  | 'take'
  /** There is no suspicion: the consumer may hold as many as it wants. */
  | 'widen'
  /** Neither take it nor hold it: the next consumer asks for another number. */
  | 'reopen'

/** Decides how many deliveries a subscription's consumers hold while a crash loop is possible. */
export interface Caution {
  /** How many the next consumer may hold. */
  prefetch(): number
  /** Whether deliveries have to be judged; once it is false it stays so. */
  readonly isWatching: boolean
  /** Judges a delivery by what this version of RabbitMQ counted for it. */
  judge(redeliveries: number, version: string): Verdict
  /** A message takes so long that the others should not wait for it. */
  giveUp(): void
}

/**
 * A message that is handled for so long without a crash does not keep the others waiting; an ordered group has no way to
 * let them pass.
 */
export const longestTurnMs = 5_000

/** Before 4.3 what a stop gave back looks like one crash. */
function suspiciousFrom(version: string): number {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > 4 || (major === 4 && minor >= 3) ? 1 : 2
}

/** What decides it. */
export interface CautionParts {
  readonly subscription: Subscription
  readonly maxPrefetch: number
  readonly counts: Counts
  readonly logger: Logger
}

/**
 * RabbitMQ counts a crash for every message that the dead process held, not only for the one that killed it. So a process
 * begins with one message; a first one without suspicion opens it up. While what comes has crashed processes before, the
 * messages go one by one, and each crash counts for its culprit alone.
 *
 * An ordered subscription begins with all and narrows only after a suspicious one: its first message may be held for long,
 * and nothing can be asked for beside it without losing its turn to another process. It changes by closing its channel before
 * anything is handled, which counts once for each message, so that innocents stay behind the culprit. Since it also stops
 * by closing, one crash is no suspicion.
 */
export function createCaution({ subscription, maxPrefetch, counts, logger }: CautionParts): Caution {
  const { ordered, source } = subscription
  // Dead letters may be given back as often as their reader likes.
  let state: 'unknown' | 'cautious' | 'confident' = source === 'dead' || maxPrefetch === 1 ? 'confident' : 'unknown'

  return {
    prefetch: () => (state === 'confident' || (state === 'unknown' && ordered) ? maxPrefetch : 1),
    get isWatching() {
      return state !== 'confident'
    },
    judge(redeliveries, version) {
      const before = state
      // What a closed channel gives back goes behind what was given back before: only a message that was never
      // delivered tells that nothing of that is left, so that the next channel begins with the same one.
      if (ordered && before === 'cautious' && redeliveries > 0) return 'take'
      if (redeliveries < (ordered ? 2 : suspiciousFrom(version))) {
        state = 'confident'
        if (before === 'cautious') {
          logger.info({ event: 'rabbitmq.cautionOver' }, 'What crashed processes has passed: no longer one at a time')
        }
        if (ordered) return before === 'unknown' ? 'take' : 'reopen'
        return 'widen'
      }
      if (before === 'cautious') return 'take'
      state = 'cautious'
      counts.cautions += 1
      const facts = { event: 'rabbitmq.caution', redeliveries }
      logger.warn(facts, 'Messages come that processes died with: one at a time, to know which of them is to blame')
      return ordered ? 'reopen' : 'take'
    },
    giveUp() {
      state = 'confident'
      logger.info({ event: 'rabbitmq.cautionOver' }, 'A message takes long without a crash: no longer one at a time')
    },
  }
}
