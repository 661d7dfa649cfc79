import { abandonedRung } from './abandonedRung.js'
import { batchFailures } from './batchFailures.js'
import { batchOutcomes } from './batchOutcomes.js'
import { createBench } from './bench.js'
import { bodySize } from './bodySize.js'
import { boundedBytes } from './boundedBytes.js'
import { boundedCount } from './boundedCount.js'
import { burst } from './burst.js'
import { competingServices } from './competingServices.js'
import { completedOnce } from './completedOnce.js'
import { confirmedPublish } from './confirmedPublish.js'
import { isCapable } from './conformanceCase.js'
import type { ConformanceSetup } from './conformanceSetup.js'
import type { CaseDefinition, ConformanceCase, PromiseDefinition } from './conformanceCase.js'
import { crashCounting } from './crashCounting.js'
import { deadLetterFacts } from './deadLetterFacts.js'
import { deadLetterReaders } from './deadLetterReaders.js'
import { declarations } from './declarations.js'
import { drain } from './drain.js'
import { expiry } from './expiry.js'
import { followUps } from './followUps.js'
import { foreignArrivals } from './foreignArrivals.js'
import { groupRetries } from './groupRetries.js'
import { groups } from './groups.js'
import { handlerTimeout } from './handlerTimeout.js'
import { hangingHandlers } from './hangingHandlers.js'
import { heldKeys } from './heldKeys.js'
import { invalidArrivals } from './invalidArrivals.js'
import { longestNames } from './longestNames.js'
import { mustRoute } from './mustRoute.js'
import { noData } from './noData.js'
import { orderAcrossServices } from './orderAcrossServices.js'
import { orderByKey } from './orderByKey.js'
import { outcomes } from './outcomes.js'
import { overtaking } from './overtaking.js'
import { parallelKeys } from './parallelKeys.js'
import { pause } from './pause.js'
import { publishEnds } from './publishEnds.js'
import { redelivery } from './redelivery.js'
import { retryHint } from './retryHint.js'
import { retryLadder } from './retryLadder.js'
import { rollingChange } from './rollingChange.js'
import { routed } from './routed.js'
import { sendOrder } from './sendOrder.js'
import { serviceLife } from './serviceLife.js'
import { settlesLast } from './settlesLast.js'
import { settling } from './settling.js'
import { skippedTypes } from './skippedTypes.js'
import { thrownValues } from './thrownValues.js'
import { transportLife } from './transportLife.js'
import { unreachable } from './unreachable.js'
import { validPublish } from './validPublish.js'
import { wireModes } from './wireModes.js'

/** Every promise of the suite, in the order of a message's life. */
export const promises: readonly PromiseDefinition[] = [
  declarations,
  serviceLife,
  transportLife,
  validPublish,
  confirmedPublish,
  routed,
  mustRoute,
  publishEnds,
  unreachable,
  bodySize,
  burst,
  longestNames,
  wireModes,
  noData,
  groups,
  groupRetries,
  competingServices,
  skippedTypes,
  invalidArrivals,
  foreignArrivals,
  expiry,
  outcomes,
  thrownValues,
  retryLadder,
  retryHint,
  batchOutcomes,
  batchFailures,
  handlerTimeout,
  hangingHandlers,
  deadLetterFacts,
  deadLetterReaders,
  settling,
  settlesLast,
  redelivery,
  completedOnce,
  crashCounting,
  orderByKey,
  parallelKeys,
  orderAcrossServices,
  sendOrder,
  heldKeys,
  overtaking,
  followUps,
  boundedCount,
  boundedBytes,
  pause,
  drain,
  rollingChange,
  abandonedRung,
]

/**
 * The conformance suite for a transport: every case resolves when the transport keeps the promise. Cases use names of
 * their own, so that they may run at the same time and against a broker that others use, too; each stops what it began.
 */
export function conformanceCases(setup: ConformanceSetup): readonly ConformanceCase[] {
  return promises.flatMap(({ promise, cases }) =>
    cases
      .filter((definition) => applies(definition, setup))
      .map((definition) => ({ promise, title: definition.title, run: () => runCase(definition, setup) })),
  )
}

function applies({ needs, lacks }: CaseDefinition, { capabilities }: ConformanceSetup): boolean {
  if (needs !== undefined && !isCapable(capabilities, needs)) return false
  return lacks === undefined || !isCapable(capabilities, lacks)
}

async function runCase(definition: CaseDefinition, setup: ConformanceSetup): Promise<void> {
  const bench = createBench(setup)
  const { caseMs, stopMs } = bench.timing
  try {
    await within(caseMs, definition.run(bench))
  } finally {
    // What does not close was judged by the case; a second hang must not hide it.
    await within(stopMs * 2 + 1_000, bench.close()).catch(() => {})
    const destinations = [bench.destination, bench.second.noted.destination]
    await setup.discard?.({ destinations, subscriptions: bench.subscriptions })
  }
}

function within(ms: number, work: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`Something did not settle within ${ms} ms`)), ms)
    work.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
