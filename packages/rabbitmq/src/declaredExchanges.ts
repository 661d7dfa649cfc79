import type { LiveConnection } from './connection.js'
import type { Settings } from './options.js'
import { planTopology, prepareTopology } from './topology.js'

/** Which exchanges are known to exist; once per connection, since a broker may come back wiped. */
export interface DeclaredExchanges {
  /** Whether a publish may name it without risk for its neighbours: a missing exchange costs the whole channel. */
  has(name: string, live: LiveConnection): boolean
  /** Declares or verifies it; rejects with a `TopologyError` or `ConnectionError`. */
  declare(name: string, live: LiveConnection): Promise<void>
  /** To be asked again: one of them was found missing. */
  forgetAll(): void
}

/** Remembers per connection epoch. */
export function createDeclaredExchanges(mode: Settings['topology']): DeclaredExchanges {
  let epoch = 0
  const known = new Set<string>()

  function ofEpoch(live: LiveConnection): Set<string> {
    if (epoch !== live.epoch) known.clear()
    epoch = live.epoch
    return known
  }

  return {
    has: (name, live) => name === '' || mode === 'none' || ofEpoch(live).has(name),
    async declare(name, live) {
      await prepareTopology(live.model, planTopology({ publishes: [name], subscriptions: [] }), mode)
      ofEpoch(live).add(name)
    },
    forgetAll: () => known.clear(),
  }
}
