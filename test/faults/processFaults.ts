import type { Child } from './children.js'
import type { Role } from './childLink.js'
import type { FaultContext, FaultKind } from './target.js'

/** Faults of the processes, the same whatever servers they use. */
export const processFaults: Readonly<Record<string, FaultKind>> = {
  consumerKilled: { minMs: 500, maxMs: 3_000, inject: (context) => killed(context, 'consumer') },
  publisherKilled: { minMs: 500, maxMs: 3_000, inject: (context) => killed(context, 'publisher') },
  consumerTerminated: { minMs: 500, maxMs: 3_000, inject: terminated },
  consumerPaused: { minMs: 3_000, maxMs: 10_000, inject: paused },
  loopBlocked: { minMs: 6_000, maxMs: 9_000, inject: blocked },
}

function pick({ children, random, note }: FaultContext, role: Role): Child {
  const child = random.pick(children.filter((candidate) => candidate.role === role))
  note(child.name)
  return child
}

async function restart(child: Child): Promise<void> {
  await child.start()
  child.send({ type: 'run' })
}

async function killed(context: FaultContext, role: Role): Promise<() => Promise<void>> {
  const child = pick(context, role)
  await child.kill()
  return () => restart(child)
}

async function terminated(context: FaultContext): Promise<() => Promise<void>> {
  const child = pick(context, 'consumer')
  if (!(await child.terminate())) throw new Error(`${child.name} did not stop in time`)
  return () => restart(child)
}

async function paused(context: FaultContext): Promise<() => Promise<void>> {
  const child = pick(context, 'consumer')
  child.suspend(context.durationMs + 30_000)
  return async () => child.resume()
}

/** Longer than two heartbeats: the broker takes the process for dead while its handlers still run. */
async function blocked(context: FaultContext): Promise<() => Promise<void>> {
  const roles = new Set(context.children.map(({ role }) => role))
  const child = pick(context, context.random.pick([...roles].filter((role) => role !== 'reader')))
  child.send({ type: 'block', forMs: context.durationMs })
  // It takes its turn only when the block is over.
  return async () => void (await child.sample())
}
