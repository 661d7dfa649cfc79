/** What a channel does with delivery tags. Must not throw. */
export interface TagWriter {
  ack(tag: number, multiple: boolean): void
  /** Back into the queue. */
  nack(tag: number): void
}

/** Settles the deliveries of one channel with as few writes as the protocol allows. */
export interface CoalescedAcks {
  /** Deliveries without a settlement. */
  readonly outstandingCount: number
  /** To be called for every delivery of the channel, in order. */
  delivered(tag: number): void
  /** The two settle a delivered tag, at most once each; written by the end of this turn of the event loop. */
  complete(tag: number): void
  release(tag: number): void
  /** Writes what is settled now. */
  flush(): void
  /** The channel is gone: nothing is written any more. */
  discard(): void
}

/**
 * Collects what is settled in one turn of the event loop: amqplib makes one system call per ack, and one `multiple` ack
 * for the contiguous prefix halves the cost of consuming.
 *
 * What lies above a slow delivery is acked one by one in the same flush, or it would fill the prefetch window. A
 * `multiple` goes only to the highest tag of the prefix that is not yet settled on the wire: on a settled tag, or with
 * an ack below it afterwards, it is a 406 that costs the channel; and tag 0 would mean everything.
 */
export function createCoalescedAcks(writer: TagWriter): CoalescedAcks {
  // In the order of their tags, since they are delivered in it: the first one ends the prefix.
  const outstanding = new Set<number>()
  let completed: number[] = []
  let released: number[] = []
  let scheduled: NodeJS.Immediate | undefined

  function flush(): void {
    if (scheduled !== undefined) clearImmediate(scheduled)
    scheduled = undefined
    // First, so that the `multiple` does not ack what goes back.
    for (const tag of released) writer.nack(tag)
    released = []
    const prefixEnd = firstOf(outstanding) ?? Infinity
    let highest = 0
    let prefixCount = 0
    for (const tag of completed) {
      if (tag > prefixEnd) writer.ack(tag, false)
      else {
        prefixCount += 1
        if (tag > highest) highest = tag
      }
    }
    completed = []
    if (prefixCount > 0) writer.ack(highest, prefixCount > 1)
  }

  function settle(tag: number, list: number[]): void {
    if (!outstanding.delete(tag)) return
    list.push(tag)
    scheduled ??= setImmediate(flush)
  }

  return {
    get outstandingCount() {
      return outstanding.size
    },
    delivered: (tag) => void outstanding.add(tag),
    complete: (tag) => settle(tag, completed),
    release: (tag) => settle(tag, released),
    flush,
    discard() {
      if (scheduled !== undefined) clearImmediate(scheduled)
      scheduled = undefined
      completed = []
      released = []
      outstanding.clear()
    },
  }
}

function firstOf(tags: ReadonlySet<number>): number | undefined {
  for (const tag of tags) return tag
  return undefined
}
