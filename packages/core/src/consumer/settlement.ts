import { fullJitter } from '../backoff.js'
import { graceMs, settledBy } from '../settledBy.js'
import { DeadLetterError, PublishError, RetriesExhaustedError } from '../errors.js'
import { pause } from '../pause.js'
import type { Target, WireMessage } from '../ports.js'
import type { MessagingKit } from '../publisher/publisherOptions.js'
import { deadLetterHeaders, forwardHeaders, retryHeaders } from './copyHeaders.js'
import type { DeadLetterReason, FailureFacts } from './copyHeaders.js'
import { isLost } from './inFlight.js'
import type { InFlight } from './inFlight.js'
import { messageFacts } from './messageFacts.js'
import type { ReasonCounts, SkipReason } from './reasonCounts.js'
import { shorterCopy } from './shorterCopy.js'

/** What is to happen with a message; nothing else ends one. */
export type Decision =
  | { readonly kind: 'complete' }
  | { readonly kind: 'skip'; readonly reason: SkipReason }
  | { readonly kind: 'discard'; readonly reason: string }
  | { readonly kind: 'release' }
  /** A copy into a rung, counted as an attempt; `notBeforeMs` when the rung is shorter than the wait. */
  | {
      readonly kind: 'retry'
      readonly rungMs: number
      readonly notBeforeMs: number | undefined
      readonly error: unknown
    }
  /** A copy into a rung, because its time has not come. */
  | { readonly kind: 'forward'; readonly rungMs: number }
  | {
      readonly kind: 'deadLetter'
      readonly reason: DeadLetterReason
      readonly error: unknown
      /** Invocations that were made. */
      readonly attempts: number
    }

/** How deliveries ended, since the start. */
export interface SettledCounts {
  handled: number
  retried: number
  forwarded: number
  deadLettered: number
  skipped: number
  discarded: number
  released: number
  /** Copies (retries, dead letters) that the broker did not take yet. */
  stuck: number
}

/** Nothing has ended yet. */
export function noCounts(): SettledCounts {
  return {
    handled: 0,
    retried: 0,
    forwarded: 0,
    deadLettered: 0,
    skipped: 0,
    discarded: 0,
    released: 0,
    stuck: 0,
  }
}

export interface SettlementOptions {
  readonly kit: MessagingKit
  readonly group: string
  readonly counts: SettledCounts
  readonly reasons: Pick<ReasonCounts, 'deadLetters' | 'skipped'>
  /** Fires when the consumer cannot wait any longer. */
  readonly stopping: AbortSignal
  /** The delivery was completed or released. */
  readonly onSettled: (item: InFlight) => void
}

/** The one place where deliveries are completed and released. */
export interface Settlement {
  /**
   * Carries a decision out. A copy is sent and confirmed before the original is completed; while the broker does not
   * take it, the original stays and the copy is tried again with backoff, unless the broker takes the original away
   * meanwhile: whoever has it then makes its copy. An item that is settled already stays so.
   */
  settle(item: InFlight, decision: Decision): void
}

const sendDeadlineMs = 30_000
const maxNamesInLog = 20
const backoff = { firstMs: 200, maxMs: 15_000 }
const countOf = {
  complete: 'handled',
  skip: 'skipped',
  discard: 'discarded',
  release: 'released',
  retry: 'retried',
  forward: 'forwarded',
  deadLetter: 'deadLettered',
} as const

export function createSettlement(options: SettlementOptions): Settlement {
  const { kit, group, counts, reasons, stopping } = options
  const { transport, clock, logger } = kit

  function end(item: InFlight, kind: Decision['kind']): void {
    if (item.settled) return
    item.settled = true
    if (kind === 'release') item.delivery.release()
    else item.delivery.complete()
    if (kind === 'complete') counts.handled += 1
    else counts[countOf[kind]] += 1
    options.onSettled(item)
  }

  /** Resolves when the broker has the copy; false when the consumer stopped first, or the original was lost. */
  async function move(item: InFlight, target: Target, whole: WireMessage): Promise<boolean> {
    const { lost } = item.delivery
    const givingUp = lost === undefined ? [stopping] : [stopping, lost]
    let message = whole
    let failures = 0
    try {
      for (;;) {
        try {
          const deadline = clock.monotonic() + sendDeadlineMs
          const sent = transport.send(target, message, { deadline, signal: stopping, copyOf: item.delivery })
          const receipt = await settledBy({ clock, deadline: deadline + graceMs, work: sent, late: neverSettled })
          if (receipt.routed !== false) return true
          throw unroutedCopy(target)
        } catch (error) {
          if (stopping.aborted || isLost(item)) return false
          const shorter = shorten(item, message, error)
          if (shorter !== undefined) {
            message = shorter
            continue
          }
          failures += 1
          if (failures === 1) counts.stuck += 1
          noteStuck(item, target, { error, failures })
          await pause(clock, fullJitter(failures, backoff), ...givingUp)
          if (stopping.aborted || isLost(item)) return false
        }
      }
    } finally {
      if (failures > 0) counts.stuck -= 1
    }
  }

  function shorten(item: InFlight, message: WireMessage, error: unknown): WireMessage | undefined {
    const { binaryPrefix } = transport.capabilities
    const shorter = shorterCopy(error, { message, original: item.delivery.headers, binaryPrefix })
    if (shorter === undefined) return undefined
    const leftOut = shorter.leftOut.slice(0, maxNamesInLog).join(', ')
    const facts = { event: 'settle.headersLeftOut', ...messageFacts(item, group), leftOut }
    logger.warn(facts, 'The broker takes no copy with so long headers: the copy goes without some of them')
    return shorter.message
  }

  function noteStuck(item: InFlight, target: Target, failure: { error: unknown; failures: number }): void {
    if ((failure.failures & (failure.failures - 1)) !== 0) return
    const what = 'dead' in target ? 'dead letter' : 'retry'
    const err =
      'dead' in target
        ? new DeadLetterError({
            code: 'POSTHORN_DEAD_LETTER',
            message: `The broker does not take a dead letter of ${group}; the original stays`,
            cause: failure.error,
          })
        : failure.error
    const facts = { event: 'settle.stuck', ...messageFacts(item, group), failures: failure.failures, err }
    logger.error(facts, `The ${what} copy was not stored; the original stays and the copy is sent again`)
  }

  function noteDeadLetter(item: InFlight, decision: { reason: string; error: unknown; attempts: number }): void {
    const { reason, attempts } = decision
    const cause = decision.error
    const err =
      reason === 'retriesExhausted'
        ? new RetriesExhaustedError({
            code: 'POSTHORN_RETRIES_EXHAUSTED',
            message: `All ${attempts} attempts failed; the last error is the cause`,
            cause,
          })
        : cause
    const facts = { event: 'message.deadLettered', ...messageFacts(item, group), attempt: attempts, reason, err }
    logger.warn(facts, 'A message was dead-lettered')
  }

  function copyOf(item: InFlight, headers: WireMessage['headers']): WireMessage {
    const { delivery, envelope } = item
    const partitionKey = delivery.partitionKey ?? envelope?.partitionkey
    return {
      body: delivery.body,
      contentType: delivery.contentType,
      id: envelope?.id || delivery.id || kit.newId(), // An id may also be empty.
      type: envelope?.type ?? '',
      headers,
      ...(partitionKey === undefined ? {} : { partitionKey }),
    }
  }

  function facts(item: InFlight, attempt: number, error: unknown): FailureFacts {
    const nowIso = new Date(clock.now()).toISOString()
    const { firstFailedAt } = item
    return { attempt, error, firstFailedAt, nowIso, group, origin: `${transport.system}:${item.delivery.address}` }
  }

  async function settleByCopy(item: InFlight, decision: Decision): Promise<void> {
    const { destination } = item
    const original = item.delivery.headers
    let moved = true
    if (decision.kind === 'retry') {
      const about = facts(item, item.attempt + 1, decision.error)
      const message = copyOf(item, retryHeaders(original, about, decision.notBeforeMs))
      moved = await move(item, { retry: { destination, group, delayMs: decision.rungMs } }, message)
    } else if (decision.kind === 'forward') {
      const target = { retry: { destination, group, delayMs: decision.rungMs } }
      moved = await move(item, target, copyOf(item, forwardHeaders(original)))
    } else if (decision.kind === 'deadLetter') {
      const about = facts(item, decision.attempts, decision.error)
      const message = copyOf(item, deadLetterHeaders(original, about, decision.reason))
      moved = await move(item, { dead: { destination, group } }, message)
    }
    end(item, moved ? decision.kind : 'release')
    if (moved && decision.kind === 'deadLetter') {
      reasons.deadLetters[decision.reason] += 1
      noteDeadLetter(item, decision)
    }
  }

  return {
    settle(item, decision) {
      if (item.settled) return
      switch (decision.kind) {
        case 'retry':
        case 'forward':
        case 'deadLetter':
          settleByCopy(item, decision).catch((error: unknown) => {
            // Nothing above may throw; should it, the original must come back rather than wait for ever.
            const about = { event: 'settle.failed', ...messageFacts(item, group), err: error }
            logger.error(about, 'A settlement failed; the message is released')
            end(item, 'release')
          })
          return
        case 'discard':
          logger.info(
            { event: 'message.discarded', ...messageFacts(item, group), reason: decision.reason },
            'A handler discarded a message',
          )
          return end(item, decision.kind)
        case 'skip':
          reasons.skipped[decision.reason] += 1
          return end(item, decision.kind)
        case 'complete':
        case 'release':
          return end(item, decision.kind)
      }
    },
  }
}

function neverSettled(): PublishError {
  return new PublishError({
    code: 'POSTHORN_PUBLISH_DEADLINE',
    outcome: 'unknown',
    message: 'The transport did not settle a copy by its deadline',
  })
}

function unroutedCopy(target: Target): PublishError {
  return new PublishError({
    code: 'POSTHORN_PUBLISH_UNROUTED',
    outcome: 'notSent',
    message: 'The retry or dead-letter queue of the group does not exist',
    details: { target },
  })
}
