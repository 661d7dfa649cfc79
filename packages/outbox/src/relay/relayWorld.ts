import { codeOf, redactText } from '@posthorn/core/adapter'
import type { Clock, Logger, Transport } from '@posthorn/core/adapter'
import { OutboxError } from '@posthorn/core/adapter'
import type { RelayStore } from '../ports.js'
import { HeldEntries } from './heldEntries.js'
import type { NormalRelayOptions } from './relayOptions.js'

/** What a relay counts since it was made. */
export interface RelayCounts {
  /** Confirmed by the broker. */
  published: number
  /** Of these, events that nobody receives. */
  unrouted: number
  removed: number
  /** Failures of an entry's own. */
  failed: number
  /** Keys that this relay parked. */
  parked: number
  /** Sends that failed because of the broker or the way to it. */
  outages: number
  reads: number
  /** Partitions that came. */
  leasesGained: number
  /** Partitions that were lost, not given back. */
  leasesLost: number
  listenersLost: number
  /** Calls of the store that failed. */
  storeFailures: number
}

/** The last thing that went wrong. */
export interface RelayError {
  readonly code: string
  readonly message: string
  /** Epoch milliseconds. */
  readonly at: number
}

/** What the parts of one relay share. */
export class RelayWorld {
  readonly name: string
  readonly store: RelayStore
  readonly transport: Transport
  readonly clock: Clock
  readonly logger: Logger
  readonly options: NormalRelayOptions
  readonly held: HeldEntries = new HeldEntries()
  readonly counts: RelayCounts
  /** Nothing new is read or sent any more. */
  isStopping = false
  lastError: RelayError | undefined

  constructor(given: Pick<RelayWorld, 'name' | 'store' | 'transport' | 'clock' | 'logger' | 'options' | 'counts'>) {
    this.name = given.name
    this.store = given.store
    this.transport = given.transport
    this.clock = given.clock
    this.logger = given.logger
    this.options = given.options
    this.counts = given.counts
  }

  get isTransportReady(): boolean {
    return this.transport.health().state === 'ready'
  }

  /** Remembers an error for `health()`. */
  note(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error)
    this.lastError = { code: codeOf(error) ?? 'unknown', message: redactText(message), at: this.clock.now() }
  }

  /**
   * A call of the store that settles within a lease, whatever the database does: a call that hangs must not keep this relay
   * from noticing. What it does after that is harmless: every write is fenced.
   */
  ask<Value>(call: (store: RelayStore) => Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      const timer = this.clock.schedule(this.options.leaseMs, () => reject(unanswered(this.options.leaseMs)), {
        background: true,
      })
      const fail = (error: unknown): void => {
        timer.cancel()
        this.counts.storeFailures += 1
        this.note(error)
        reject(error)
      }
      try {
        call(this.store).then((value) => {
          timer.cancel()
          resolve(value)
        }, fail)
      } catch (error) {
        fail(error)
      }
    })
  }
}

/** Counts that begin at nothing. */
export function createCounts(): RelayCounts {
  return {
    published: 0,
    unrouted: 0,
    removed: 0,
    failed: 0,
    parked: 0,
    outages: 0,
    reads: 0,
    leasesGained: 0,
    leasesLost: 0,
    listenersLost: 0,
    storeFailures: 0,
  }
}

function unanswered(leaseMs: number): OutboxError {
  return new OutboxError({
    code: 'POSTHORN_OUTBOX_UNAVAILABLE',
    message: `The database did not answer within ${leaseMs} ms, the length of a lease`,
  })
}
