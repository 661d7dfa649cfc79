import { setTimeout as sleep } from 'node:timers/promises'
import type { Child } from '../children.js'
import type { FailPoint } from '../childLink.js'
import type { FaultContext, FaultKind } from '../target.js'
import { leaseMs } from './relayActor.js'

/** What can happen to the process of a relay. */
export const relayFaults: Readonly<Record<string, FaultKind>> = {
  relayKilled: { minMs: 500, maxMs: 8_000, inject: killed },
  relayKilledBeforePublish: { minMs: 500, maxMs: 1_000, inject: (context) => killedAt(context, 'beforePublish') },
  relayKilledInBatch: { minMs: 500, maxMs: 1_000, inject: (context) => killedAt(context, 'inBatch') },
  relayKilledBeforeRemove: { minMs: 500, maxMs: 1_000, inject: (context) => killedAt(context, 'beforeRemove') },
  relayKilledAfterRemove: { minMs: 500, maxMs: 1_000, inject: (context) => killedAt(context, 'afterRemove') },
  // Longer than a lease: somebody else has the partitions when it goes on.
  relayPaused: { minMs: leaseMs + 2_000, maxMs: leaseMs + 6_000, inject: paused },
  relayTerminated: { minMs: 500, maxMs: 3_000, inject: terminated },
  relayClockMoved: { minMs: 4_000, maxMs: 9_000, inject: (context) => clockMoved(context) },
}

function pick({ children, random, note }: FaultContext): Child {
  const child = random.pick(children.filter(({ role }) => role === 'relay'))
  note(child.name)
  return child
}

async function killed(context: FaultContext): Promise<() => Promise<void>> {
  const relay = pick(context)
  await relay.kill()
  return () => relay.start()
}

/** So long a relay may take until it comes to a point: others may have all the partitions with traffic for a while. */
const comeThereMs = 30_000

async function killedAt(context: FaultContext, point: FailPoint): Promise<() => Promise<void>> {
  const relay = pick(context)
  const { name } = relay
  relay.revive(true)
  relay.send({ type: 'failAt', point })
  const end = performance.now() + comeThereMs
  while (relay.name === name) {
    if (performance.now() > end) throw new Error(`${name} never came to ${point}`)
    await sleep(50)
  }
  return async () => {
    while ((await relay.sample()) === undefined) await sleep(200)
    relay.revive(false)
  }
}

async function paused(context: FaultContext): Promise<() => Promise<void>> {
  const relay = pick(context)
  relay.suspend(context.durationMs + 30_000)
  return async () => relay.resume()
}

async function terminated(context: FaultContext): Promise<() => Promise<void>> {
  const relay = pick(context)
  if (!(await relay.terminate())) throw new Error(`${relay.name} did not stop in time`)
  return () => relay.start()
}

const tenMinutesMs = 600_000

/** Ten minutes to or fro, and back: leases are the database's. */
async function clockMoved(context: FaultContext): Promise<() => Promise<void>> {
  const relay = pick(context)
  const byMs = context.random.pick([-tenMinutesMs, tenMinutesMs])
  relay.send({ type: 'moveClock', byMs })
  context.note(`${relay.name}, ${byMs} ms`)
  return async () => relay.send({ type: 'moveClock', byMs: 0 })
}
