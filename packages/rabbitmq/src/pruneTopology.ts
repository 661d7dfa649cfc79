import {
  ConfigurationError,
  listOf,
  optionProblems,
  boolean,
  systemClock,
  text,
  wholeNumber,
} from '@posthorn/core/adapter'
import type { Declaration, Subscription } from '@posthorn/core/adapter'
import type { ChannelModel } from 'amqplib'
import { deleteGuarded } from './deleteGuarded.js'
import { replyCodeOf, replyCodes } from './errorMapping.js'
import type { Settings } from './options.js'
import { onThrowAwayChannel, prepareTopology, queueFactsIfThere } from './prepareTopology.js'
import { maxRungMs, planTopology } from './topology.js'
import type { BindingItem, TopologyItem } from './topology.js'
import type { TopologyCall, TopologyCallOptions } from './topologyCall.js'
import type { TopologyMap } from './topologyMap.js'
import { pause } from './waiting.js'

/** What earlier releases used: AMQP can neither list queues nor bindings, so they have to be named. */
export interface FormerTopology {
  /** Delays of ladders that may have rungs left. Those of today's ladder are left alone. */
  readonly delaysMs?: readonly number[]
  /** Types that the groups handled; `#` for a group that wanted every type. Those of today are left alone. */
  readonly types?: readonly string[]
}

/** How a prune goes about it. */
export interface PruneOptions extends TopologyCallOptions {
  /** Finds, and removes nothing. @default false */
  readonly dryRun?: boolean
  /**
   * How long a rung must have been empty, with its work queue there, before it is deleted, in milliseconds. The broker
   * does not show what has left a rung and is not in the work queue yet; it tries that again after 180 s. Lower is safe
   * where the work queue was never missing and never full. @default 200_000
   */
  readonly quietMs?: number
  /**
   * Says that no process of a release with these rungs runs any more. Otherwise a rung is deleted only while nobody
   * consumes from its work queue: such a process could send a retry into it in that moment. @default false
   */
  readonly isLastReleaseGone?: boolean
}

/** Something of an earlier release. */
export type StaleItem =
  | { readonly kind: 'queue'; readonly name: string; readonly messageCount: number }
  /** Whether it exists cannot be asked; taking one away that does not is no error. */
  | { readonly kind: 'binding'; readonly queue: string; readonly exchange: string; readonly routingKey: string }

/** What a prune found and did. */
export interface PruneReport {
  readonly removed: readonly StaleItem[]
  readonly kept: readonly { readonly item: StaleItem; readonly reason: string }[]
}

type Wanted = FormerTopology & PruneOptions

const rules = {
  delaysMs: listOf(wholeNumber(1, maxRungMs)),
  types: listOf(text),
  dryRun: boolean,
  quietMs: wholeNumber(0),
  isLastReleaseGone: boolean,
  deadlineMs: wholeNumber(1),
  signal: () => undefined,
  logger: () => undefined,
}

const defaultQuietMs = 200_000
const pollMs = 250

/** Removes what is named, stale and empty; everything else is reported with the reason why it stays. */
export async function pruneTopology(
  call: TopologyCall,
  declaration: Declaration,
  wanted: Wanted,
): Promise<PruneReport> {
  const problems = optionProblems('', wanted, rules)
  if (problems.length > 0) throw new ConfigurationError('prune', problems)
  const groups = declaration.subscriptions.filter(({ source }) => source === 'work')
  const reports = await Promise.all([
    ...groups.flatMap((group) =>
      staleRungs(group, wanted).map((delayMs) => pruneRung(call, { group, delayMs }, wanted)),
    ),
    pruneBindings(call, { ...declaration, subscriptions: groups }, wanted),
  ])
  return { removed: reports.flatMap(({ removed }) => removed), kept: reports.flatMap(({ kept }) => kept) }
}

function staleRungs({ rungsMs }: Subscription, { delaysMs = [] }: Wanted): number[] {
  return [...new Set(delaysMs)].filter((delayMs) => !rungsMs.includes(delayMs))
}

const lastReleaseHint =
  'its group is consuming, perhaps in a process of the last release; stop the group, or say isLastReleaseGone'

const nothing: PruneReport = { removed: [], kept: [] }

async function pruneRung(
  { live, settings, deadline, signal }: TopologyCall,
  { group, delayMs }: { readonly group: Subscription; readonly delayMs: number },
  { dryRun = false, quietMs = defaultQuietMs, isLastReleaseGone = false }: Wanted,
): Promise<PruneReport> {
  const queues = settings.topology.queuesOf(group)
  const name = queues.rung(delayMs)
  const isOver = (): boolean => signal?.aborted === true || systemClock.monotonic() + pollMs >= deadline
  let emptySince: number | undefined
  for (;;) {
    const rung = await queueFactsIfThere(live.model, name)
    if (rung === undefined) return nothing
    const item: StaleItem = { kind: 'queue', name, messageCount: rung.messageCount }
    const kept = (reason: string): PruneReport => ({ removed: [], kept: [{ item, reason }] })
    if (dryRun) return kept('it was only looked for')
    if (rung.consumerCount > 0) return kept('somebody consumes from it')
    const work = await queueFactsIfThere(live.model, queues.work)
    // What it holds would have nowhere to go.
    if (work === undefined) return kept(`there is no queue "${queues.work}"`)
    if (work.consumerCount > 0 && !isLastReleaseGone) return kept(lastReleaseHint)
    emptySince = rung.messageCount > 0 ? undefined : (emptySince ?? systemClock.monotonic())
    if (emptySince !== undefined && systemClock.monotonic() - emptySince >= quietMs) {
      const restore = (): Promise<void> => prepareTopology(live.model, rungPlan(group, delayMs, settings), 'apply')
      const outcome = await deleteGuarded(live.model, { queue: name, heirQueue: queues.work, restore })
      if (outcome === 'deleted') return { removed: [item], kept: [] }
      if (outcome === 'restored') return kept(`somebody published to it, and "${queues.work}" does not take that`)
      emptySince = undefined
    }
    if (isOver()) {
      const state =
        rung.messageCount > 0 ? `it holds ${rung.messageCount} messages` : 'it was not empty for long enough'
      return kept(`${state}; prune again later`)
    }
    await pause(pollMs, signal ?? new AbortController().signal, systemClock)
  }
}

/** A rung alone, as its release declared it. */
function rungPlan(group: Subscription, delayMs: number, { topology }: Settings): readonly TopologyItem[] {
  const rung = topology.queuesOf(group).rung(delayMs)
  const subscription = { ...group, rungsMs: [delayMs] }
  return planTopology({ publishes: [], subscriptions: [subscription] }, topology).filter((item) =>
    item.kind === 'binding' ? item.queue === rung : item.kind === 'queue' && item.name === rung,
  )
}

async function pruneBindings(
  { live, settings }: TopologyCall,
  declaration: Declaration,
  { types = [], dryRun = false }: Wanted,
): Promise<PruneReport> {
  const removed: StaleItem[] = []
  const kept: PruneReport['kept'][number][] = []
  for (const item of staleBindings(declaration, types, settings.topology)) {
    if (dryRun) kept.push({ item, reason: 'it was only looked for' })
    else if (await unbind(live.model, item)) removed.push(item)
  }
  return { removed, kept }
}

/** Those of the groups that declare their bindings; what is bound for a queue that is not ours is not ours either. */
function staleBindings(
  declaration: Declaration,
  types: readonly string[],
  map: TopologyMap,
): Extract<StaleItem, { kind: 'binding' }>[] {
  const wanted = planTopology(declaration, map).filter((item): item is BindingItem => item.kind === 'binding')
  return declaration.subscriptions.flatMap((subscription) => {
    const { work: queue } = map.queuesOf(subscription)
    const { exchange, keyOf } = map.routeOf(subscription.destination)
    const mine = wanted.filter((item) => item.queue === queue && item.exchange === exchange.name)
    if (mine.length === 0) return []
    const keys = new Set(types.map((type) => (type === '#' ? type : keyOf(type))))
    return [...keys]
      .filter((key) => !mine.some(({ routingKey }) => routingKey === key))
      .map((routingKey) => ({ kind: 'binding', queue, exchange: exchange.name, routingKey }) as const)
  })
}

/** False when its queue or exchange is gone, and the binding with it. */
async function unbind(
  model: ChannelModel,
  { queue, exchange, routingKey }: Extract<StaleItem, { kind: 'binding' }>,
): Promise<boolean> {
  try {
    await onThrowAwayChannel(model, (channel) => channel.unbindQueue(queue, exchange, routingKey))
    return true
  } catch (error) {
    if (replyCodeOf(error) === replyCodes.notFound) return false
    throw error
  }
}
