import type { Child } from './children.js'
import { kafkaApis } from './kafkaRelay.js'
import type { KafkaProxies } from './kafkaProxies.js'
import type { FaultContext, FaultKind } from './target.js'

/** What can be done to the groups of a run, and to what brokers answer. */
export function kafkaGroupFaults(proxies: KafkaProxies): Readonly<Record<string, FaultKind>> {
  return {
    rebalanceStorm: { minMs: 10_000, maxMs: 16_000, inject: rebalanceStorm },
    sessionExpired: { minMs: 9_000, maxMs: 14_000, inject: sessionExpired },
    produceAnswersLost: { minMs: 3_000, maxMs: 7_000, inject: answersLost(proxies, [kafkaApis.produce]) },
    commitAnswersLost: { minMs: 3_000, maxMs: 7_000, inject: answersLost(proxies, [kafkaApis.offsetCommit]) },
    groupAnswersLost: {
      minMs: 3_000,
      maxMs: 9_000,
      inject: answersLost(proxies, [kafkaApis.joinGroup, kafkaApis.syncGroup, kafkaApis.heartbeat]),
    },
  }
}

function consumersOf({ children }: FaultContext): readonly Child[] {
  return children.filter(({ role }) => role === 'consumer')
}

/** One consumer after the other leaves and comes back: the partitions have hardly a moment's rest. */
async function rebalanceStorm(context: FaultContext): Promise<() => Promise<void>> {
  const { random, durationMs, note } = context
  const end = performance.now() + durationMs
  let count = 0
  async function rage(): Promise<void> {
    while (performance.now() < end) {
      const child = random.pick(consumersOf(context))
      if (random.next() < 0.3) await child.kill()
      else if (!(await child.terminate())) throw new Error(`${child.name} did not stop in time`)
      await child.start()
      note(`${(count += 1)} left and came back`)
    }
  }
  const storm = rage()
  // Told when it is awaited.
  storm.catch(() => {})
  return () => storm
}

/** Longer than a session: it wakes up as a member of a group that has given its partitions to others. */
async function sessionExpired(context: FaultContext): Promise<() => Promise<void>> {
  const child = context.random.pick(consumersOf(context))
  context.note(child.name)
  child.suspend(context.durationMs + 30_000)
  return async () => child.resume()
}

/** Brokers do what they are asked for, and nobody hears of it. */
function answersLost(proxies: KafkaProxies, requests: readonly number[]): FaultKind['inject'] {
  return async ({ random, note }) => {
    const role = requests.includes(kafkaApis.produce) ? random.pick(['publisher', 'consumer', 'all'] as const) : 'all'
    const loss = random.pick(['swallowed', 'reset'] as const)
    note(`${role}, ${loss}`)
    proxies.lose(role, new Set(requests), loss)
    return async () => proxies.lose(role, undefined)
  }
}
