import { systemClock } from '@posthorn/core/adapter'
import type { Clock, Subscription, Target, WireMessage } from '@posthorn/core/adapter'
import { Destination } from './destination.js'
import type { Group, QueueSettings } from './group.js'
import type { Queue, QueueLimits } from './queue.js'
import type { Rung } from './rung.js'
import { frozenHeaders, StoredMessage } from './storedMessage.js'
import { createTurns } from './turns.js'
import type { Turns } from './turns.js'
import { activity } from './virtualClock.js'

/** A connection as the broker sees it. */
export interface Client {
  /** The connection broke. */
  lose(): void
  /** The broker can be reached (again). */
  reopen(): void
}

export interface BrokerSettings {
  readonly limits: QueueLimits
  readonly partitions: number
  /** Undefined: the clock of the first service that connects. */
  readonly clock: Clock | undefined
}

/** What became of a message: in at least one queue, in none, or in none because the named queue is full. */
export type Accepted = 'routed' | 'unrouted' | { readonly full: string }

/** All destinations and queues, and who is connected. It knows nothing of promises and deadlines: connections do. */
export class Broker {
  readonly turns: Turns
  readonly limits: QueueLimits
  readonly #settings: QueueSettings
  readonly #destinations = new Map<string, Destination>()
  readonly #clients = new Set<Client>()
  #clock: Clock | undefined
  #reachable = true
  #closed = false

  constructor(settings: BrokerSettings) {
    this.limits = settings.limits
    this.#clock = settings.clock
    this.turns = createTurns(() => (this.#clock as { [activity]?(): void } | undefined)?.[activity]?.())
    const { limits, partitions } = settings
    this.#settings = { limits, partitions, turns: this.turns, clock: () => this.clock }
  }

  get clock(): Clock {
    return this.#clock ?? systemClock
  }

  get reachable(): boolean {
    return this.#reachable
  }

  /** Takes the clock of a service, unless there is one already. */
  lendClock(clock: Clock): void {
    this.#clock ??= clock
  }

  attach(client: Client): void {
    this.#clients.add(client)
    this.#reopen()
  }

  detach(client: Client): void {
    this.#clients.delete(client)
  }

  dropConnections(): void {
    for (const client of this.#clients) client.lose()
    this.#reopen()
  }

  setReachable(reachable: boolean): void {
    if (this.#closed || reachable === this.#reachable) return
    this.#reachable = reachable
    if (reachable) this.#reopen()
    else this.dropConnections()
  }

  /** Forgets everything, and cannot be reached any more. */
  close(): void {
    if (this.#closed) return
    this.setReachable(false)
    this.#closed = true
    for (const group of this.#groups()) for (const rung of group.rungs) rung.close()
    this.#destinations.clear()
  }

  /** Makes the group's queues, or says what does not fit. */
  declare(subscription: Subscription): Queue | { readonly mismatch: string } {
    const name = subscription.destination
    const destination = this.#destinations.get(name) ?? new Destination(name, this.#settings)
    this.#destinations.set(name, destination)
    return destination.declare(subscription)
  }

  /** Stores the message in all queues that must have it, or, when one of them is full, in none. */
  accept(target: Target, message: WireMessage): Accepted {
    if ('destination' in target) return store(this.#destinations.get(target.destination)?.route(message.type), message)
    if ('retry' in target) return delay(this.#group(target.retry)?.rung(target.retry.delayMs), message)
    if ('dead' in target) return store(asList(this.#group(target.dead)?.dead), message)
    return store(asList(this.#group(target.group)?.work), message)
  }

  /** Every queue, in the order in which they were declared. */
  *queues(): Generator<Queue | Rung> {
    for (const group of this.#groups()) {
      if (group.work !== undefined) yield group.work
      yield* group.rungs
      yield group.dead
    }
  }

  *#groups(): Generator<Group> {
    for (const destination of this.#destinations.values()) yield* destination.groups.values()
  }

  #group(where: { readonly destination: string; readonly group: string }): Group | undefined {
    return this.#destinations.get(where.destination)?.groups.get(where.group)
  }

  #reopen(): void {
    this.turns.run(() => {
      if (this.#reachable) for (const client of this.#clients) client.reopen()
    })
  }
}

function asList(queue: Queue | undefined): readonly Queue[] {
  return queue === undefined ? [] : [queue]
}

function store(queues: readonly Queue[] | undefined, message: WireMessage): Accepted {
  if (queues === undefined || queues.length === 0) return 'unrouted'
  const bytes = message.body === null ? 0 : message.body.byteLength
  for (const queue of queues) if (!queue.fits(bytes)) return { full: queue.name }
  const headers = frozenHeaders(message.headers)
  for (const queue of queues) queue.add(new StoredMessage(message, headers, 0))
  return 'routed'
}

function delay(rung: Rung | undefined, message: WireMessage): Accepted {
  if (rung === undefined) return 'unrouted'
  if (!rung.fits(message.body === null ? 0 : message.body.byteLength)) return { full: rung.name }
  rung.add(new StoredMessage(message, frozenHeaders(message.headers), rung.dueAt()))
  return 'routed'
}
