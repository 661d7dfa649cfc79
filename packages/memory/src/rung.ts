import type { Clock, TimerHandle } from '@posthorn/core/adapter'
import { Backlog } from './backlog.js'
import type { Queue, QueueLimits } from './queue.js'
import type { StoredMessage } from './storedMessage.js'

export interface RungOptions {
  readonly name: string
  readonly delayMs: number
  /** Where messages go when their delay is over. */
  readonly target: Queue
  readonly limits: QueueLimits
  readonly clock: Clock
}

/**
 * Holds messages for one delay. All have the same delay, so they come due in the order in which they came: a first-in,
 * first-out queue with one timer for its head. What is due while the target is full stays until there is room.
 */
export class Rung {
  readonly name: string
  /** Nobody consumes a rung: its messages are never unsettled. */
  readonly unsettled = 0
  readonly members = 0
  readonly #options: RungOptions
  readonly #backlog = new Backlog()
  #bytes = 0
  #timer: TimerHandle | undefined
  #waitingForRoom = false

  constructor(options: RungOptions) {
    this.name = options.name
    this.#options = options
  }

  get ready(): number {
    return this.#backlog.length
  }

  messages(): StoredMessage[] {
    return [...this.#backlog]
  }

  fits(bytes: number): boolean {
    const { limits } = this.#options
    return this.#backlog.length < limits.maxMessages && this.#bytes + bytes <= limits.maxBytes
  }

  /** When a message that comes now is due. */
  dueAt(): number {
    return this.#options.clock.monotonic() + this.#options.delayMs
  }

  add(stored: StoredMessage): void {
    this.#backlog.push(stored)
    this.#bytes += stored.bytes
    this.#arm()
  }

  /** Stops the timer for good. */
  close(): void {
    this.#timer?.cancel()
    this.#waitingForRoom = true
  }

  #arm(): void {
    const first = this.#backlog.first()
    if (first === undefined || this.#timer !== undefined || this.#waitingForRoom) return
    // Not in the background: a message that waits here is work that the process still has to do.
    this.#timer = this.#options.clock.schedule(Math.ceil(first.dueAt - this.#options.clock.monotonic()), this.#onTimer)
  }

  readonly #onTimer = (): void => {
    this.#timer = undefined
    this.#moveDue()
  }

  #moveDue(): void {
    const { target, clock } = this.#options
    const now = clock.monotonic()
    for (let first = this.#backlog.first(); first !== undefined && first.dueAt <= now; first = this.#backlog.first()) {
      if (!target.fits(first.bytes)) return this.#waitForRoom()
      this.#backlog.take()
      this.#bytes -= first.bytes
      target.add(first)
    }
    this.#arm()
  }

  #waitForRoom(): void {
    this.#waitingForRoom = true
    this.#options.target.whenRoom(() => {
      this.#waitingForRoom = false
      this.#moveDue()
    })
  }
}
