import { resourceNames } from '@posthorn/core/adapter'
import type { Clock, Subscription } from '@posthorn/core/adapter'
import { Queue } from './queue.js'
import type { QueueLimits } from './queue.js'
import { Rung } from './rung.js'
import type { Turns } from './turns.js'

/** What all queues of a broker share. */
export interface QueueSettings {
  readonly limits: QueueLimits
  readonly partitions: number
  readonly turns: Turns
  /** A function, since a broker of a single transport takes the clock that its service lends. */
  readonly clock: () => Clock
}

/** The durable queues of one group on one destination: from the first subscription until the broker is closed. */
export class Group {
  readonly dead: Queue
  readonly #destination: string
  readonly #name: string
  readonly #settings: QueueSettings
  readonly #rungs = new Map<number, Rung>()
  /** The types that subscriptions have asked for; none is ever taken back, as with bindings on a broker. */
  readonly #types = new Set<string>()
  #allTypes = false
  #work: Queue | undefined

  constructor(destination: string, name: string, settings: QueueSettings) {
    this.#destination = destination
    this.#name = name
    this.#settings = settings
    this.dead = this.#queue(resourceNames.dead(destination, name), undefined)
  }

  /** Undefined as long as there were only readers of dead letters. */
  get work(): Queue | undefined {
    return this.#work
  }

  get types(): ReadonlySet<string> | 'all' {
    return this.#allTypes ? 'all' : this.#types
  }

  /** The rungs that were declared, in that order. */
  get rungs(): readonly Rung[] {
    return [...this.#rungs.values()]
  }

  rung(delayMs: number): Rung | undefined {
    return this.#rungs.get(delayMs)
  }

  /** Says why the subscription does not fit to what is there, or undefined. */
  mismatch(subscription: Subscription): string | undefined {
    if (subscription.source === 'dead' || this.#work === undefined) return undefined
    if (this.#work.ordered === subscription.ordered) return undefined
    return `expected ordered ${subscription.ordered}, actual ordered ${this.#work.ordered}`
  }

  /** Makes what the subscription needs and is not there yet; returns the queue that it consumes. */
  declare(subscription: Subscription): Queue {
    if (subscription.source === 'dead') return this.dead
    const work = (this.#work ??= this.#queue(
      resourceNames.group(this.#destination, this.#name),
      subscription.ordered ? this.#settings.partitions : undefined,
    ))
    if (subscription.types === 'all') this.#allTypes = true
    else for (const type of subscription.types) this.#types.add(type)
    for (const delayMs of subscription.rungsMs) {
      if (!this.#rungs.has(delayMs)) this.#rungs.set(delayMs, this.#newRung(delayMs, work))
    }
    return work
  }

  #queue(name: string, partitions: number | undefined): Queue {
    return new Queue({ name, partitions, limits: this.#settings.limits, turns: this.#settings.turns })
  }

  #newRung(delayMs: number, target: Queue): Rung {
    const name = resourceNames.retry(this.#destination, this.#name, delayMs)
    return new Rung({ name, delayMs, target, limits: this.#settings.limits, clock: this.#settings.clock() })
  }
}
