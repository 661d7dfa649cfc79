import { TagWindow } from './tagWindow.js'
import type { TagWriter } from './tagWriter.js'

/** Least time between two writes of a busy channel. */
const gapMs = 1

/** Settles the deliveries of one channel with as few writes as the protocol allows. */
export interface CoalescedAcks {
  /** Deliveries without a settlement. */
  readonly outstandingCount: number
  /** To be called for every delivery that is to be settled, in the order of the tags. */
  delivered(tag: number): void
  /** The two settle a delivered tag, at most once each; written by the end of this turn of the event loop, or 1 ms later. */
  complete(tag: number): void
  release(tag: number): void
  /** From now on what is settled waits, until `resume` or `flush`. */
  pause(): void
  resume(): void
  /** Writes what is settled now. */
  flush(): void
  /** The channel is gone: nothing is written any more. */
  discard(): void
}

/**
 * Collects what is settled: amqplib makes one system call per ack, and one `multiple` ack for the contiguous prefix
 * halves the cost of consuming. With little to do the acks of one turn of the event loop go out at its end. When the last
 * ones went out less than a millisecond ago they wait for that millisecond, as long as `maxHeldCount` allows: a busy
 * broker sends a few messages at a time, and to answer each of its packets cost 2 µs of 16 a message.
 *
 * What lies above a slow delivery is acked one by one in the same flush, or it would fill the prefetch window. A
 * `multiple` goes only to the highest tag of the prefix that is not yet settled on the wire: on a settled tag, or with
 * an ack below it afterwards, it is a 406 that costs the channel; and tag 0 would mean everything.
 */
export function createCoalescedAcks(writer: TagWriter, maxHeldCount = 0): CoalescedAcks {
  const outstanding = new TagWindow<true>()
  let completed: number[] = []
  let released: number[] = []
  let scheduled: NodeJS.Immediate | undefined
  let delayed: NodeJS.Timeout | undefined
  let writtenAt = -Infinity
  let isPaused = false

  function endTurn(): void {
    scheduled = undefined
    if (isPaused) return
    const isBusy = performance.now() - writtenAt < gapMs
    if (!isBusy || completed.length + released.length > maxHeldCount) flush()
    else delayed ??= setTimeout(flush, gapMs)
  }

  function unschedule(): void {
    if (scheduled !== undefined) clearImmediate(scheduled)
    if (delayed !== undefined) clearTimeout(delayed)
    scheduled = undefined
    delayed = undefined
  }

  function flush(): void {
    unschedule()
    writtenAt = performance.now()
    // First, so that the `multiple` does not ack what goes back.
    for (const tag of released) writer.nack(tag)
    released = []
    const prefixEnd = outstanding.oldest ?? Infinity
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
    writer.flush()
  }

  function settle(tag: number, list: number[]): void {
    if (outstanding.take(tag) === undefined) return
    list.push(tag)
    scheduled ??= setImmediate(endTurn)
  }

  return {
    get outstandingCount() {
      return outstanding.size
    },
    delivered(tag) {
      outstanding.skipTo(tag)
      outstanding.push(true)
    },
    complete: (tag) => settle(tag, completed),
    release: (tag) => settle(tag, released),
    pause() {
      isPaused = true
      if (delayed !== undefined) flush()
    },
    resume() {
      isPaused = false
      if (completed.length + released.length > 0) scheduled ??= setImmediate(endTurn)
    },
    flush,
    discard() {
      unschedule()
      completed = []
      released = []
      outstanding.clear()
    },
  }
}
