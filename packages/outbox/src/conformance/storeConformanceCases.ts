import { attempts } from './attempts.js'
import { exactMessages } from './exactMessages.js'
import { fences } from './fences.js'
import { inbox } from './inbox.js'
import { inboxRaces } from './inboxRaces.js'
import { lateCommits } from './lateCommits.js'
import { leases } from './leases.js'
import { listening } from './listening.js'
import { operatorDecisions } from './operatorDecisions.js'
import { parking } from './parking.js'
import { readLimits } from './readLimits.js'
import { readOrder } from './readOrder.js'
import { refusedHandles } from './refusedHandles.js'
import { schedule } from './schedule.js'
import { shares } from './shares.js'
import { statistics } from './statistics.js'
import { createStoreBench } from './storeBench.js'
import type { StoreAbility, StoreCaseDefinition, StoreConformanceCase, StorePromise } from './storeCase.js'
import type { StoreSetup, StoreTiming } from './storeSetup.js'
import { transactions } from './transactions.js'

/** Every promise of the suite. */
export const storePromises: readonly StorePromise[] = [
  transactions,
  refusedHandles,
  exactMessages,
  readOrder,
  lateCommits,
  readLimits,
  attempts,
  parking,
  operatorDecisions,
  leases,
  fences,
  shares,
  schedule,
  listening,
  statistics,
  inbox,
  inboxRaces,
]

const defaultTiming: StoreTiming = { leaseMs: 400, waitMs: 20_000, caseMs: 60_000 }

/**
 * The conformance suite for a store: every case resolves when the store keeps the promise. Each case opens a store of its
 * own and closes it, so that cases may run at the same time; any test runner does.
 */
export function storeConformanceCases<Tx>(setup: StoreSetup<Tx>): readonly StoreConformanceCase[] {
  return storePromises.flatMap(({ promise, cases }) =>
    cases
      .filter(
        ({ needs, lacks }) => (needs === undefined || can(setup, needs)) && (lacks === undefined || !can(setup, lacks)),
      )
      .map((definition) => ({ promise, title: definition.title, run: () => runCase(definition, setup) })),
  )
}

function can<Tx>(setup: StoreSetup<Tx>, ability: StoreAbility): boolean {
  return (ability === 'listens' ? setup.listens : setup.hasConcurrentTransactions) ?? true
}

async function runCase<Tx>(definition: StoreCaseDefinition, setup: StoreSetup<Tx>): Promise<void> {
  const timing = { ...defaultTiming, ...setup.timing }
  const store = await setup.open({ firstId: definition.firstId })
  try {
    const longAgo = setup.longAgo ?? new Date('2001-01-01T00:00:00Z')
    const bench = createStoreBench(store, timing, longAgo)
    // A case hands on what it was given: it never looks into a handle.
    await within(timing.caseMs, definition.run(bench))
  } finally {
    await store.close()
  }
}

function within(ms: number, work: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`Something did not settle within ${ms} ms`)), ms)
    work.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
