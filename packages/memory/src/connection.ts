import { createDeadlines, transportHealth } from '@posthorn/core/adapter'
import type {
  Clock,
  Deadlines,
  Receipt,
  RunningSubscription,
  SendOptions,
  Subscription,
  Target,
  TransportContext,
  TransportHealth,
  WireMessage,
} from '@posthorn/core/adapter'
import type { Broker, Client } from './broker.js'
import { createConfirms } from './confirms.js'
import type { Confirms } from './confirms.js'
import { address, mismatched, notSent, refused, tooLarge, unconfirmed, unreachable } from './errorMapping.js'
import type { GivingUp } from './errorMapping.js'
import { Member } from './member.js'
import type { OnDeliveries } from './member.js'
import type { Queue } from './queue.js'
import { createWaitingRoom } from './waitingRoom.js'
import type { WaitingRoom } from './waitingRoom.js'

/** A subscription that survives reconnects; its member does not. */
interface Running {
  readonly subscription: Subscription
  readonly onDeliveries: OnDeliveries
  readonly queue: Queue
  member: Member
}

/**
 * One transport's connection: idle → connecting ⇄ ready → closed. While it is not ready, calls wait in the waiting room;
 * a connection that is lost reconnects by itself, with new members, so that deliveries of the old ones are stale.
 */
export class Connection implements Client {
  readonly #broker: Broker
  readonly #maxBodyBytes: number
  readonly #confirms: Confirms
  readonly #room: WaitingRoom
  readonly #running = new Set<Running>()
  /** Everybody who may hold deliveries, those that left included. */
  readonly #members = new Map<Member, Queue>()
  #clock: Clock
  #deadlines: Deadlines
  #state: 'idle' | 'connecting' | 'ready' | 'closed' = 'idle'
  #opened = 0

  constructor(broker: Broker, maxBodyBytes: number) {
    this.#broker = broker
    this.#maxBodyBytes = maxBodyBytes
    this.#confirms = createConfirms(broker.turns)
    this.#clock = broker.clock
    this.#deadlines = createDeadlines(this.#clock)
    this.#room = createWaitingRoom(() => this.#deadlines)
  }

  connect(context: TransportContext, options: SendOptions): Promise<void> {
    if (this.#state === 'idle') {
      this.#clock = context.clock
      this.#deadlines = createDeadlines(this.#clock)
      this.#broker.lendClock(this.#clock)
      this.#state = 'connecting'
      this.#broker.attach(this)
    }
    return this.#whenReady(options, () => undefined)
  }

  send(target: Target, message: WireMessage, options: SendOptions): Promise<Receipt> {
    const length = message.body === null ? 0 : message.body.byteLength
    if (length > this.#maxBodyBytes) {
      return Promise.reject(tooLarge(target, { length, limit: this.#maxBodyBytes }))
    }
    const givenUp = this.#givenUp(options)
    if (givenUp !== undefined) return Promise.reject(notSent(target, givenUp))
    if (this.#state === 'ready') return this.#hand(target, message)
    return new Promise((resolve, reject) => {
      this.#room.add(options, {
        enter: () => resolve(this.#hand(target, message)),
        giveUp: (why) => reject(notSent(target, why)),
      })
    })
  }

  subscribe(
    subscription: Subscription,
    onDeliveries: OnDeliveries,
    options: SendOptions,
  ): Promise<RunningSubscription> {
    return this.#whenReady(options, () => {
      const queue = this.#broker.declare(subscription)
      if ('mismatch' in queue) throw mismatched(subscription, queue.mismatch)
      const running = { subscription, onDeliveries, queue, member: this.#join(queue, subscription, onDeliveries) }
      this.#running.add(running)
      return { stop: () => this.#stop(running) }
    })
  }

  health(): TransportHealth {
    const state = this.#state
    const away = this.#broker.reachable ? 'It reconnects' : 'The in-process broker is down'
    const why = state === 'connecting' ? away : undefined
    return {
      ...transportHealth({ system: 'memory', state, why }),
      state,
      addresses: [address],
      reconnects: Math.max(0, this.#opened - 1),
    }
  }

  close(): Promise<void> {
    if (this.#state === 'closed') return Promise.resolve()
    this.#state = 'closed'
    this.#running.clear()
    this.#dismiss(false)
    this.#confirms.flush()
    this.#room.close()
    this.#broker.detach(this)
    return Promise.resolve()
  }

  lose(): void {
    if (this.#state !== 'ready') return
    this.#state = 'connecting'
    this.#dismiss(true)
    this.#confirms.lose(unconfirmed())
  }

  reopen(): void {
    if (this.#state !== 'connecting') return
    this.#state = 'ready'
    this.#opened += 1
    for (const running of this.#running) {
      running.member = this.#join(running.queue, running.subscription, running.onDeliveries)
    }
    this.#room.open()
  }

  #hand(target: Target, message: WireMessage): Promise<Receipt> {
    const accepted = this.#broker.accept(target, message)
    if (typeof accepted === 'object') return Promise.reject(refused(target, accepted.full))
    return this.#confirms.confirm(accepted === 'routed')
  }

  #whenReady<Result>(options: SendOptions, action: () => Result): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      const waiter = {
        enter: () => {
          try {
            resolve(action())
          } catch (error) {
            reject(error)
          }
        },
        giveUp: (why: GivingUp) => reject(unreachable(why)),
      }
      const givenUp = this.#givenUp(options)
      if (givenUp !== undefined) waiter.giveUp(givenUp)
      else if (this.#state === 'ready') waiter.enter()
      else this.#room.add(options, waiter)
    })
  }

  #givenUp({ deadline, signal }: SendOptions): GivingUp | undefined {
    if (this.#state === 'closed') return { reason: 'closed' }
    if (signal?.aborted) return { reason: 'aborted', cause: signal.reason }
    return deadline <= this.#clock.monotonic() ? { reason: 'deadline' } : undefined
  }

  #join(queue: Queue, subscription: Subscription, onDeliveries: OnDeliveries): Member {
    for (const member of this.#members.keys()) if (member.left && member.unsettled === 0) this.#members.delete(member)
    const member = new Member(subscription, onDeliveries)
    this.#members.set(member, queue)
    queue.join(member)
    return member
  }

  #stop(running: Running): Promise<void> {
    if (this.#running.delete(running)) running.queue.leave(running.member)
    return Promise.resolve()
  }

  /** All members leave, then all that they hold goes back: nothing goes from one of them to the other. Then they are told. */
  #dismiss(counted: boolean): void {
    for (const [member, queue] of this.#members) if (!member.left) queue.leave(member)
    for (const [member, queue] of this.#members) queue.giveBack(member, counted)
    const members = [...this.#members.keys()]
    this.#members.clear()
    for (const member of members) member.lose()
  }
}
