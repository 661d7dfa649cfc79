import type { LiveConnection } from './connection.js'
import type { Settings } from './options.js'
import { exchangeExists, planTopology, prepareTopology } from './topology.js'

/** Which exchanges are known to exist; once per connection, since a broker may come back wiped. */
export interface DeclaredExchanges {
  /** Whether a publish may name it without risk for its neighbours: a missing exchange costs the whole channel. */
  has(name: string, live: LiveConnection): boolean
  /** Declares or verifies it; rejects with a `TopologyError` or `ConnectionError`. */
  declare(name: string, live: LiveConnection): Promise<void>
  /**
   * Which of them are gone, after the broker said that one is; all are asked for again before the next publish. Where
   * we declare exchanges, a missing one is no fault: that publish brings it back.
   */
  findMissing(names: readonly string[], live: LiveConnection): Promise<ReadonlySet<string>>
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
    async findMissing(names, live) {
      known.clear()
      const missing = new Set<string>()
      if (mode === 'apply') return missing
      for (const name of names) if (!(await exchangeExists(live.model, name))) missing.add(name)
      return missing
    },
  }
}
