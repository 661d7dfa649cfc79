import type { Subscription } from '@posthorn/core/adapter'
import { Group } from './group.js'
import type { QueueSettings } from './group.js'
import type { Queue } from './queue.js'

/** Routes messages to the groups whose bindings contain their type, as an exchange does. */
export class Destination {
  readonly groups: Map<string, Group> = new Map()
  readonly #name: string
  readonly #settings: QueueSettings
  /** For each type that a group asked for, all queues that take it. */
  #byType: ReadonlyMap<string, readonly Queue[]> = new Map()
  /** The queues that take every type. */
  #forAll: readonly Queue[] = []

  constructor(name: string, settings: QueueSettings) {
    this.#name = name
    this.#settings = settings
  }

  /** The queues that take messages of this type; empty: unrouted. */
  route(type: string): readonly Queue[] {
    return this.#byType.get(type) ?? this.#forAll
  }

  /** The group with everything that it needs so far, or what does not fit. */
  declare(subscription: Subscription): Queue | { readonly mismatch: string } {
    const group = this.groups.get(subscription.group) ?? new Group(this.#name, subscription.group, this.#settings)
    const mismatch = group.mismatch(subscription)
    if (mismatch !== undefined) return { mismatch }
    this.groups.set(subscription.group, group)
    const queue = group.declare(subscription)
    this.#bind()
    return queue
  }

  #bind(): void {
    const groups = [...this.groups.values()].filter((group) => group.work !== undefined)
    const types = new Set(groups.flatMap((group) => (group.types === 'all' ? [] : [...group.types])))
    const takers = (type: string | undefined): Queue[] =>
      groups
        .filter((group) => group.types === 'all' || (type !== undefined && group.types.has(type)))
        .map((group) => group.work as Queue)
    this.#forAll = takers(undefined)
    this.#byType = new Map([...types].map((type) => [type, takers(type)]))
  }
}
