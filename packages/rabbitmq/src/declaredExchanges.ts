import type { LiveConnection } from './connection.js'
import { exchangeExists, prepareTopology } from './prepareTopology.js'
import { planExchange } from './topology.js'
import type { TopologyMap } from './topologyMap.js'

/** Which exchanges are known to exist; once per connection, since a broker may come back wiped. */
export interface DeclaredExchanges {
  /** Whether a publish may name it without risk for its neighbours: a missing exchange costs the whole channel. */
  has(name: string, live: LiveConnection): boolean
  /** Remembers one that somebody else declared or verified. */
  note(name: string, live: LiveConnection): void
  /** Declares or verifies it; rejects with a `TopologyError` or `ConnectionError`. */
  declare(name: string, live: LiveConnection): Promise<void>
  /**
   * Which of them are gone, after the broker said that one is; all are asked for again before the next publish. Where
   * we declare an exchange, its absence is no fault: that publish brings it back.
   */
  findMissing(names: readonly string[], live: LiveConnection): Promise<ReadonlySet<string>>
}

/** Remembers per connection epoch. */
export function createDeclaredExchanges(map: TopologyMap): DeclaredExchanges {
  let epoch = 0
  const known = new Set<string>()

  function ofEpoch(live: LiveConnection): Set<string> {
    if (epoch !== live.epoch) known.clear()
    epoch = live.epoch
    return known
  }

  return {
    has: (name, live) => name === '' || map.mode === 'none' || ofEpoch(live).has(name),
    note: (name, live) => void ofEpoch(live).add(name),
    async declare(name, live) {
      await prepareTopology(live.model, planExchange(name, map), map.mode)
      ofEpoch(live).add(name)
    },
    async findMissing(names, live) {
      known.clear()
      const missing = new Set<string>()
      for (const name of names) {
        if (map.mode === 'apply' && map.exchangeNamed(name).owner === 'ours') continue
        if (!(await exchangeExists(live.model, name))) missing.add(name)
      }
      return missing
    },
  }
}
