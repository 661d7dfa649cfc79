import { ConfigurationError, optionProblems, listOf, systemClock, text, wholeNumber } from '@posthorn/core/adapter'
import type { ConfirmChannel, GetMessage } from 'amqplib'
import { createForwarder } from './forwarder.js'
import { queueFactsIfThere } from './prepareTopology.js'
import type { TopologyCall } from './topologyCall.js'
import { unroutedQueue } from './topologyMap.js'
import { lingerMs, rest } from './waiting.js'

/** Which kept events go where. */
export interface UnroutedReplay {
  readonly destination: string
  /** The group that gets them; its queue must exist. */
  readonly group: string
  /** Only events of these types; the others stay. @default all */
  readonly types?: readonly string[]
  /** Ends after so many. @default all that are there when it begins */
  readonly maxCount?: number
}

/** What a replay did. */
export interface ReplayReport {
  /** Confirmed by the group's queue, and taken away. */
  readonly moved: number
  /** Left where they were, since their type was not asked for. */
  readonly skipped: number
  /** Whether it ended before it was through: by its deadline or its signal. Call it again for the rest. */
  readonly interrupted: boolean
}

/** Copies on their way at once. More is faster, and repeats more after a crash. */
const maxUnconfirmed = 64

const rules = { destination: text, group: text, types: listOf(text, 1), maxCount: wholeNumber(1) }

/**
 * Publishes kept events into a group's queue, waits for the confirmation, and only then takes them away. A crash in
 * between repeats some, and loses none. Looks at each event once, so that it ends although new ones come.
 */
export async function replayUnrouted(call: TopologyCall, replay: UnroutedReplay): Promise<ReplayReport> {
  const problems = optionProblems('', replay, rules, ['destination', 'group'])
  if (problems.length > 0) throw new ConfigurationError('replayUnrouted', problems)
  const { model } = call.live
  const source = unroutedQueue(replay.destination)
  const facts = await queueFactsIfThere(model, source)
  if (facts === undefined) return { moved: 0, skipped: 0, interrupted: false }
  const channel = await model.createConfirmChannel()
  channel.on('error', () => {}) // Whatever waits on the channel rejects with it.
  try {
    return await moveAll({ call, replay, channel, source, count: facts.messageCount })
  } finally {
    // Its acks come one by one, and of 6,240 none was dropped without the wait; but nothing in the broker keeps it so.
    await rest(lingerMs)
    // What was skipped goes back with it.
    await channel.close().catch(() => {})
  }
}

interface Moving {
  readonly call: TopologyCall
  readonly replay: UnroutedReplay
  readonly channel: ConfirmChannel
  readonly source: string
  /** How many there were when it began. */
  readonly count: number
}

async function moveAll({ call, replay, channel, source, count }: Moving): Promise<ReplayReport> {
  const { settings, deadline, signal } = call
  const { types, maxCount = Infinity } = replay
  const { work } = settings.topology.queuesOf(replay)
  const forward = createForwarder(channel)
  const underWay = new Set<Promise<void>>()
  let failure: { readonly error: unknown } | undefined
  let moved = 0
  let started = 0
  let skipped = 0
  let interrupted = false

  function move(message: GetMessage): void {
    started += 1
    const one = forward(message, work)
      .then(() => {
        channel.ack(message)
        moved += 1
      })
      .catch((error: unknown) => {
        failure ??= { error }
      })
      .finally(() => underWay.delete(one))
    underWay.add(one)
  }

  for (let seen = 0; seen < count && started < maxCount && failure === undefined; seen += 1) {
    interrupted = signal?.aborted === true || systemClock.monotonic() >= deadline
    if (interrupted) break
    const message = await channel.get(source, { noAck: false })
    if (message === false) break
    const type: unknown = message.properties.type
    if (types === undefined || types.includes(String(type))) move(message)
    else skipped += 1
    if (underWay.size >= maxUnconfirmed) await Promise.race(underWay)
  }
  await Promise.all(underWay)
  if (failure !== undefined) throw failure.error
  return { moved, skipped, interrupted }
}
