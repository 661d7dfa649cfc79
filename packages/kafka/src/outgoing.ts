import type { DeadlineEntry, Deadlines, PublishError, Receipt, SendOptions } from '@posthorn/core/adapter'
import type { OutgoingRecord } from './driver/driver.js'
import { givenUpError } from './errorMapping.js'
import type { GivingUp } from './errorMapping.js'
import { maxRecordBytes } from './messageSize.js'

/** What a send that fails now would have done to the log. */
export type Risk =
  /** Nothing: no attempt has reached a broker. */
  | 'none'
  /** An attempt is under way. */
  | 'underWay'
  /** An attempt ended without telling. */
  | 'written'

/** The two ends of the caller's promise. */
export interface Caller {
  resolve(receipt: Receipt): void
  reject(error: PublishError): void
}

/** Kafka cannot tell who listens. */
const receipt: Receipt = { routed: undefined }

/**
 * A message on its way to its confirmation: settled once, by its confirmation, its deadline, its signal or an error. It is
 * its own record and its own deadline, since what every message needs beside its bytes is most of the cost of sending.
 */
export class Outgoing implements OutgoingRecord, DeadlineEntry {
  readonly key: string | Buffer | null
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, string>>
  readonly timestampMs: number
  /** What it takes in a batch, at most. */
  readonly bytes: number
  risk: Risk = 'none'
  /** What the last attempt ended with. */
  lastError: unknown = undefined
  at: number = Infinity
  slot = -1
  readonly #topic: string
  readonly #caller: Caller
  #isSettled = false
  #deadlines: Deadlines | undefined
  #stopListening: (() => void) | undefined

  constructor(topic: string, record: OutgoingRecord, caller: Caller) {
    this.key = record.key
    this.value = record.value
    this.headers = record.headers
    this.timestampMs = record.timestampMs
    this.bytes = maxRecordBytes(record)
    this.#topic = topic
    this.#caller = caller
  }

  get settled(): boolean {
    return this.#isSettled
  }

  /** Rejects by the deadline or the signal. */
  watch({ deadline, signal }: SendOptions, deadlines: Deadlines): void {
    this.at = deadline
    this.#deadlines = deadlines
    deadlines.add(this)
    if (signal === undefined) return
    const onAbort = (): void => this.#giveUp('aborted')
    signal.addEventListener('abort', onAbort, { once: true })
    this.#stopListening = () => signal.removeEventListener('abort', onAbort)
  }

  /** The deadline has come. */
  onDue(): void {
    this.#giveUp('deadline')
  }

  confirm(): void {
    if (this.#settle()) this.#caller.resolve(receipt)
  }

  fail(errorOf: (outcome: 'notSent' | 'unknown') => PublishError): void {
    if (this.#settle()) this.#caller.reject(errorOf(this.risk === 'none' ? 'notSent' : 'unknown'))
  }

  #giveUp(why: GivingUp): void {
    this.fail((outcome) => givenUpError(this.#topic, why, { outcome, last: this.lastError }))
  }

  #settle(): boolean {
    if (this.#isSettled) return false
    this.#isSettled = true
    this.#deadlines?.remove(this)
    this.#stopListening?.()
    return true
  }
}
