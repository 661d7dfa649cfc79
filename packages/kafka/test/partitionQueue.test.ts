import { describe, expect, it } from 'vitest'
import { createCrashRecord } from '../src/crashRecord.js'
import { PartitionQueue } from '../src/partitionQueue.js'
import { records } from './support/fakeDriver.js'
import { createManualClock } from './support/manualClock.js'

function rig(clock = createManualClock()): {
  queue: PartitionQueue
  counts: { inFlight: number; buffered: number; moved: number; stale: number }
} {
  const counts = { inFlight: 0, buffered: 0, moved: 0, stale: 0 }
  const queue = new PartitionQueue({
    topic: 'orders',
    partition: 3,
    pause: undefined,
    maxUncommittedCount: 100,
    record: createCrashRecord('me'),
    clock,
    inFlight: {
      taken: () => (counts.inFlight += 1),
      settled: () => (counts.inFlight -= 1),
      buffered: (bytes) => (counts.buffered += bytes),
      request: () => {},
    },
    mayHandOver: () => true,
    onMoved: () => (counts.moved += 1),
    onStale: () => (counts.stale += 1),
  })
  return { queue, counts }
}

describe('a partition', () => {
  it('that was lost counts what is settled, and does nothing else with it', () => {
    const { queue, counts } = rig()
    queue.accept({ partition: 3, records: records(0, 4), nextOffset: 4 })
    queue.open(0, undefined)
    const taken = [queue.take(0)!, queue.take(0)!]
    expect(counts.inFlight).toBe(2)
    queue.drop()
    expect(counts.buffered).toBe(0)
    taken[0]!.complete()
    taken[1]!.release()
    taken[1]!.release()
    expect(counts).toEqual({ inFlight: 0, buffered: 0, moved: 0, stale: 2 })
    expect(queue.take(0)).toBeUndefined()
    expect(queue.isCommittable).toBe(false)
  })

  it('that is halted still takes settlements, and gives back no memory twice', () => {
    const { queue, counts } = rig()
    queue.accept({ partition: 3, records: records(0, 4), nextOffset: 4 })
    queue.open(0, undefined)
    const taken = [queue.take(0)!, queue.take(0)!]
    queue.halt()
    queue.halt()
    taken[0]!.complete()
    taken[1]!.release()
    expect(counts).toEqual({ inFlight: 0, buffered: 0, moved: 1, stale: 0 })
    expect(queue.mark).toBe(1)
  })

  it('begins where the first message is when it came before the group is known to stand earlier', () => {
    const { queue } = rig()
    queue.accept({ partition: 3, records: records(7, 8), nextOffset: 8 })
    queue.open(5, undefined)
    expect(queue.mark).toBe(7)
    expect(queue.position).toBe(8)
  })

  it('hands nothing over and commits nothing before it is open', () => {
    const { queue } = rig()
    queue.accept({ partition: 3, records: records(0, 1), nextOffset: 1 })
    expect(queue.take(0)).toBeUndefined()
    expect(queue.isCommittable).toBe(false)
    queue.halt()
    expect(queue.isCommittable).toBe(false)
  })
})

describe('the commit age of a partition', () => {
  it('begins with the first message that is done, and ends when all that is done is committed', async () => {
    const clock = createManualClock()
    const { queue } = rig(clock)
    queue.accept({ partition: 3, records: records(0, 4), nextOffset: 4 })
    queue.open(0, undefined)
    const taken = [0, 1, 2].map(() => queue.take(clock.now())!)
    await clock.advance(1_000)
    expect(queue.commitAgeMs).toBe(0)
    taken[0]!.complete()
    await clock.advance(200)
    taken[1]!.complete()
    expect(queue.commitAgeMs).toBe(200)
    queue.noteCommitted(2)
    expect(queue.commitAgeMs).toBe(0)
  })

  it('grows while a message in front is not done, and begins anew when the committed offset moves', async () => {
    const clock = createManualClock()
    const { queue } = rig(clock)
    queue.accept({ partition: 3, records: records(0, 4), nextOffset: 4 })
    queue.open(0, undefined)
    const taken = [0, 1, 2].map(() => queue.take(clock.now())!)
    taken[2]!.complete()
    await clock.advance(500)
    expect(queue.commitAgeMs).toBe(500)
    taken[0]!.complete()
    queue.noteCommitted(1)
    expect(queue.commitAgeMs).toBe(0)
    await clock.advance(300)
    expect(queue.commitAgeMs).toBe(300)
    taken[1]!.complete()
    queue.noteCommitted(3)
    await clock.advance(300)
    expect(queue.commitAgeMs).toBe(0)
  })
})
