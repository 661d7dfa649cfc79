import type { Delivery } from '@posthorn/core/adapter'
import { assignEvenly } from './assignment.js'
import { Backlog } from './backlog.js'
import type { Lane, Member } from './member.js'
import type { StoredMessage } from './storedMessage.js'
import type { Turns } from './turns.js'

/** How much one queue keeps, delivered but unsettled messages included. */
export interface QueueLimits {
  readonly maxMessages: number
  readonly maxBytes: number
}

export interface QueueOptions {
  readonly name: string
  /** Undefined: no order, all members take from one lane. */
  readonly partitions: number | undefined
  readonly limits: QueueLimits
  readonly turns: Turns
}

/**
 * One durable queue with competing members. A message is in exactly one place: ready in a lane's backlog, or held by one
 * member; it leaves the queue only by `complete`. Members get what is ready once per turn of the event loop.
 */
export class Queue {
  readonly name: string
  readonly ordered: boolean
  readonly #limits: QueueLimits
  readonly #turns: Turns
  readonly #lanes: readonly Lane[]
  // Replaced, never changed: a member may join or leave while deliveries are handed over.
  #members: readonly Member[] = []
  #lastServed = 0
  #nextKeyless = 0
  #ready = 0
  #unsettled = 0
  #bytes = 0
  #dispatching = false
  #waitingForRoom: (() => void)[] = []

  constructor(options: QueueOptions) {
    this.name = options.name
    this.ordered = options.partitions !== undefined
    this.#limits = options.limits
    this.#turns = options.turns
    this.#lanes = Array.from({ length: options.partitions ?? 1 }, () => ({
      backlog: new Backlog(),
      ordered: this.ordered,
      owner: undefined,
      holder: undefined,
      unsettled: 0,
    }))
  }

  get ready(): number {
    return this.#ready
  }

  get unsettled(): number {
    return this.#unsettled
  }

  get members(): number {
    return this.#members.length
  }

  /** Ready messages, in order within each partition. */
  messages(): StoredMessage[] {
    return this.#lanes.flatMap((lane) => [...lane.backlog])
  }

  fits(bytes: number): boolean {
    return this.#ready + this.#unsettled < this.#limits.maxMessages && this.#bytes + bytes <= this.#limits.maxBytes
  }

  /** Calls `action` once when a message has left the queue. */
  whenRoom(action: () => void): void {
    this.#waitingForRoom.push(action)
  }

  add(stored: StoredMessage): void {
    stored.lane = this.ordered ? this.#partitionOf(stored.partitionKey) : 0
    this.#laneOf(stored).backlog.push(stored)
    this.#ready += 1
    this.#bytes += stored.bytes
    this.#wake()
  }

  join(member: Member): void {
    this.#members = [...this.#members, member]
    this.#assign()
  }

  /** Nothing more is handed to the member; what it holds stays its own until it is settled or given back. */
  leave(member: Member): void {
    member.left = true
    this.#members = this.#members.filter((other) => other !== member)
    this.#assign()
  }

  /** Makes all that a member holds ready again, each at its place; `counted` when the member was lost. */
  giveBack(member: Member, counted: boolean): void {
    for (const stored of member.letAllGo()) {
      if (counted) stored.redeliveries += 1
      this.#return(stored)
    }
  }

  #assign(): void {
    if (this.ordered) {
      const owners = assignEvenly(
        this.#lanes.map((lane) => lane.owner),
        this.#members,
      )
      this.#lanes.forEach((lane, index) => (lane.owner = owners[index]))
    }
    for (const member of this.#members) {
      member.lanes = this.ordered ? this.#lanes.filter((lane) => lane.owner === member) : this.#lanes
    }
    this.#wake()
  }

  #partitionOf(key: string | undefined): number {
    const count = this.#lanes.length
    if (key === undefined) {
      this.#nextKeyless = (this.#nextKeyless + 1) % count
      return this.#nextKeyless
    }
    // FNV-1a: short, and even enough for a handful of partitions.
    let hash = 0x811c9dc5
    for (let index = 0; index < key.length; index += 1) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193)
    return (hash >>> 0) % count
  }

  #laneOf(stored: StoredMessage): Lane {
    return this.#lanes[stored.lane] as Lane
  }

  #wake(): void {
    if (this.#dispatching || this.#ready === 0 || this.#members.length === 0) return
    this.#dispatching = true
    this.#turns.run(this.#dispatch)
  }

  /** Members take one message in turn, as long as somebody can; then each gets its share in one call. */
  readonly #dispatch = (): void => {
    this.#dispatching = false
    const members = this.#members
    let passed = 0
    while (this.#ready > 0 && passed < members.length) {
      this.#lastServed = this.#lastServed + 1 < members.length ? this.#lastServed + 1 : 0
      const member = members[this.#lastServed] as Member
      const stored = member.hasRoom() ? this.#takeFor(member) : undefined
      if (stored === undefined) {
        passed += 1
      } else {
        passed = 0
        member.batch.push(this.#deliver(stored, member))
      }
    }
    for (const member of members) handOver(member)
  }

  #takeFor(member: Member): StoredMessage | undefined {
    const { lanes } = member
    for (let tried = 0; tried < lanes.length; tried += 1) {
      member.cursor = member.cursor + 1 < lanes.length ? member.cursor + 1 : 0
      const lane = lanes[member.cursor] as Lane
      // A partition that moved waits until its old owner is done with what it holds of it.
      if (lane.ordered && lane.unsettled > 0 && lane.holder !== member) continue
      const stored = lane.backlog.take()
      if (stored === undefined) continue
      lane.unsettled += 1
      lane.holder = member
      return stored
    }
    return undefined
  }

  #deliver(stored: StoredMessage, member: Member): Delivery {
    this.#ready -= 1
    this.#unsettled += 1
    member.hold(stored)
    stored.ticket += 1
    const { ticket } = stored
    const delivery: { -readonly [Field in keyof Delivery]: Delivery[Field] } = {
      body: stored.body,
      headers: stored.headers,
      contentType: stored.contentType,
      address: this.name,
      id: stored.id,
      brokerRedeliveries: stored.redeliveries,
      lost: member.lost,
      complete: () => {
        if (stored.ticket === ticket) this.#complete(stored, member)
      },
      release: () => {
        if (stored.ticket !== ticket) return
        member.letGo(stored)
        this.#return(stored)
      },
    }
    if (stored.partitionKey !== undefined) delivery.partitionKey = stored.partitionKey
    return delivery
  }

  #complete(stored: StoredMessage, member: Member): void {
    member.letGo(stored)
    stored.ticket += 1
    this.#laneOf(stored).unsettled -= 1
    this.#unsettled -= 1
    this.#bytes -= stored.bytes
    this.#wake()
    if (this.#waitingForRoom.length === 0) return
    const waiting = this.#waitingForRoom
    this.#waitingForRoom = []
    for (const action of waiting) action()
  }

  #return(stored: StoredMessage): void {
    stored.ticket += 1
    const lane = this.#laneOf(stored)
    lane.unsettled -= 1
    lane.backlog.giveBack(stored)
    this.#unsettled -= 1
    this.#ready += 1
    this.#wake()
  }
}

function handOver(member: Member): void {
  const { batch } = member
  if (batch.length === 0) return
  member.batch = []
  // It left while another member was served.
  if (member.left) for (const delivery of batch) delivery.release()
  else member.onDeliveries(batch)
}
