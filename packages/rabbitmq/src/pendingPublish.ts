import { PublishError, targetName } from '@posthorn/core/adapter'
import type { DeadlineEntry, Deadlines, ErrorCode, Receipt, SendOptions, WireMessage } from '@posthorn/core/adapter'
import type { Address, TargetAddress } from './topologyMap.js'

/** The two ends of the caller's promise. */
export interface Caller {
  resolve(receipt: Receipt): void
  reject(error: PublishError): void
}

/** Why a publish failed. */
export interface Failure {
  readonly code: ErrorCode
  readonly what: string
  readonly cause?: unknown
  /**
   * Proof that the broker did not take the last write. Without it, a message that was written even once is `unknown`:
   * `notSent` must never be wrong.
   */
  readonly refusedBeforeRouting?: boolean
}

/**
 * One publish on its way: waiting → written → settled, and back to waiting when a neighbour took its channel down. It
 * settles the caller's promise exactly once, and lets go of the message with that.
 */
export class PendingPublish implements DeadlineEntry {
  readonly id: string
  readonly address: TargetAddress
  /** Of its body. */
  readonly bytes: number
  /** The broker returned it: no queue took it. Its confirmation comes after that. */
  returned = false
  at: number = Infinity
  slot = -1
  readonly #caller: Caller
  #message: WireMessage | undefined
  #writes = 0
  #mustRoute = false
  #deadlines: Deadlines | undefined
  #onGone: ((pending: PendingPublish) => void) | undefined
  #stopListening: (() => void) | undefined

  constructor(address: TargetAddress, message: WireMessage, caller: Caller) {
    this.id = message.id
    this.address = address
    this.bytes = message.body === null ? 0 : message.body.byteLength
    this.#message = message
    this.#caller = caller
  }

  /** What is to be written; undefined once the caller has an answer. */
  get message(): WireMessage | undefined {
    return this.#message
  }

  get isSettled(): boolean {
    return this.#message === undefined
  }

  /** Rejects by the deadline or the signal, and calls `onGone` then. */
  watch(
    { deadline, signal, mustRoute }: SendOptions,
    deadlines: Deadlines,
    onGone: (pending: PendingPublish) => void,
  ): void {
    this.at = deadline
    this.#mustRoute = mustRoute === true
    this.#deadlines = deadlines
    this.#onGone = onGone
    deadlines.add(this)
    if (signal === undefined) return
    const onAbort = (): void => {
      onGone(this)
      const what = 'was given up by the signal of its caller'
      this.fail({ code: 'POSTHORN_PUBLISH_ABORTED', what, cause: signal.reason })
    }
    signal.addEventListener('abort', onAbort)
    this.#stopListening = () => signal.removeEventListener('abort', onAbort)
  }

  /** The deadline has come. */
  onDue(): void {
    this.#onGone?.(this)
    this.fail({ code: 'POSTHORN_PUBLISH_DEADLINE', what: 'was not confirmed by its deadline' })
  }

  /** To be called before the bytes go out: whatever happens from then on, the broker may have them. */
  beginWrite(): void {
    this.#writes += 1
    this.returned = false
  }

  /** Nothing of the last write reached the socket. */
  undoWrite(): void {
    this.#writes -= 1
  }

  /**
   * The broker has the last write, or has returned it. A return says nothing about the writes before it, whose answers were
   * lost: a queue that has gone meanwhile may have taken one of them. Copies are stored, or sent again.
   */
  confirm(): void {
    const isUncertain = this.returned && this.#writes > 1 && 'destination' in this.address.target
    if (isUncertain && this.#mustRoute) {
      this.fail({ code: 'POSTHORN_PUBLISH_UNROUTED', what: 'was written again, and nobody receives it any more' })
    } else if (this.#settle()) this.#caller.resolve({ routed: isUncertain ? undefined : !this.returned })
  }

  fail(failure: Failure): void {
    if (!this.#settle()) return
    const writesThatCount = this.#writes - (failure.refusedBeforeRouting === true ? 1 : 0)
    const outcome = writesThatCount > 0 ? 'unknown' : 'notSent'
    const next =
      outcome === 'unknown' ? 'It may have arrived; to repeat it with the same id is safe.' : 'It will not appear.'
    this.#caller.reject(
      new PublishError({
        code: failure.code,
        message: `Message ${this.id} to ${targetName(this.address.target)} ${failure.what}. ${next}`,
        outcome,
        details: { id: this.id, target: targetName(this.address.target) },
        cause: failure.cause,
      }),
    )
  }

  #settle(): boolean {
    if (this.#message === undefined) return false
    this.#message = undefined
    this.#deadlines?.remove(this)
    this.#stopListening?.()
    return true
  }
}

/**
 * The pending publish that a `basic.return` belongs to: by id, exchange and routing key, since two groups may retry
 * copies of one id at once; the oldest of equal ones, since the broker answers in order.
 */
export function returnedPublish(
  inFlight: Iterable<PendingPublish>,
  returned: Address & { readonly id: unknown },
): PendingPublish | undefined {
  for (const pending of inFlight) {
    const { exchange, routingKey } = pending.address
    if (
      !pending.returned &&
      pending.id === returned.id &&
      routingKey === returned.routingKey &&
      exchange === returned.exchange
    ) {
      return pending
    }
  }
  return undefined
}
