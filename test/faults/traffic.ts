import { defineCommand, defineEvent } from '@posthorn/core'
import type { CommandContract, Contract, EventContract } from '@posthorn/core'

/** What every message of a run carries. */
export interface TrafficData {
  readonly key: string
  readonly seq: number
}

const schema = {
  type: 'object',
  required: ['key', 'seq'],
  properties: { key: { type: 'string' }, seq: { type: 'integer' } },
} as const

const partitionKey = ({ key }: TrafficData): string => key

/** Handled in the order of each key by a group of several processes. */
export const step: EventContract<TrafficData> = defineEvent({
  type: 'com.example.faults.step.v1',
  destination: 'steps',
  schema,
  partitionKey,
})

/** Handled in any order, with retries through the ladder. */
export const work: EventContract<TrafficData> = defineEvent({
  type: 'com.example.faults.work.v1',
  destination: 'works',
  schema,
  partitionKey,
})

/** Published by the handlers of works, with the transaction of their effect. */
export const followUp: EventContract<TrafficData> = defineEvent({
  type: 'com.example.faults.followup.v1',
  destination: 'followups',
  schema,
  partitionKey,
})

/** Somebody must receive it. */
export const errand: CommandContract<TrafficData> = defineCommand({
  type: 'com.example.faults.errand.v1',
  destination: 'errands',
  schema,
  partitionKey,
})

/** What a message does that only faults publish. */
export interface BombData extends TrafficData {
  /** Ends the process of its handler, or keeps its handler from ever settling. */
  readonly harm: 'abort' | 'hang'
  /** Until this time of the run, in microseconds; what hangs then hangs for ever. */
  readonly until: number
}

/** Published by faults alone. */
export const bomb: EventContract<BombData> = defineEvent({
  type: 'com.example.faults.bomb.v1',
  destination: 'bombs',
  schema: {
    type: 'object',
    required: ['key', 'seq', 'harm', 'until'],
    properties: { ...schema.properties, harm: { enum: ['abort', 'hang'] }, until: { type: 'integer' } },
  } as const,
  partitionKey,
})

/** A run kills brokers and consumers all the time, and the messages are not to blame. */
const manyCrashes = 50

/** Of so many numbers one, the remainder of which is this; see `flowAt` for which numbers a flow has. */
type Share = readonly [of: number, remainder: number]

/** One kind of traffic: a contract, and the group that consumes it. */
export interface Flow {
  readonly name: string
  readonly contract: Contract<never>
  readonly group: string
  readonly ordered: boolean
  readonly delaysMs: readonly number[]
  readonly maxCrashes: number
  readonly failsOnce: Share
  readonly failsAlways: Share
}

/** A database that is away fails every handler that needs it: the ladder is longer than it is away. */
const patientMs = [200, 1_000, 4_000, 8_000]
/** As many attempts; but what fails holds its key, and all others too while a group is cautious after crashes. */
const patientInOrderMs = [100, 200, 1_000, 1_000]
const never: Share = [1, 1]
const steps = { contract: step, group: 'ordered', ordered: true, maxCrashes: manyCrashes }
const works = { contract: work, group: 'ladder', ordered: false, maxCrashes: manyCrashes }
const errands = { contract: errand, group: 'commands', ordered: false, maxCrashes: manyCrashes }

/** The flows of runs, by the first letter of their message ids. */
export const flows = {
  s: { ...steps, name: 'ordered', delaysMs: [100, 200], failsOnce: [50, 7], failsAlways: [500, 13] },
  w: { ...works, name: 'ladder', delaysMs: [200, 1_000], failsOnce: [20, 1], failsAlways: [60, 11] },
  c: { ...errands, name: 'commands', delaysMs: [200, 1_000], failsOnce: [200, 49], failsAlways: [1_000, 99] },
  x: {
    contract: bomb,
    group: 'bombs',
    name: 'bombs',
    ordered: false,
    delaysMs: [200],
    maxCrashes: 2,
    failsOnce: never,
    failsAlways: never,
  },
  o: { ...steps, name: 'ordered', delaysMs: patientInOrderMs, failsOnce: [50, 7], failsAlways: [2_000, 13] },
  u: { ...works, name: 'ladder', delaysMs: patientMs, failsOnce: [20, 1], failsAlways: [60, 11] },
  m: { ...errands, name: 'commands', delaysMs: patientMs, failsOnce: [200, 49], failsAlways: [1_000, 99] },
  f: {
    contract: followUp,
    group: 'followups',
    name: 'followUps',
    ordered: false,
    delaysMs: patientMs,
    maxCrashes: manyCrashes,
    failsOnce: [20, 2],
    failsAlways: never,
  },
} as const satisfies Record<string, Flow>

export type FlowKey = keyof typeof flows

/** Of services that talk to their broker directly; bombs are published by faults alone. */
export const directFlows: readonly FlowKey[] = ['s', 'w', 'c', 'x']
/** Those that move all the time. */
export const steadyDirectFlows: readonly FlowKey[] = ['s', 'w', 'c']
/** Of services with an outbox and an inbox; follow-ups are published by handlers. */
export const outboxFlows: readonly FlowKey[] = ['o', 'u', 'm', 'f']

/** What becomes of a message, whichever process handles it. */
export type Fate = 'works' | 'failsOnce' | 'failsAlways' | 'aborts' | 'poison'

/** Whether it has an effect in the end. */
export function mayWork(fate: Fate): boolean {
  return fate === 'works' || fate === 'failsOnce'
}

/** A message's id: its flow, who published it, and its number there. */
export function idOf(flow: FlowKey, publisher: string, index: number): string {
  return `${flow}-${publisher}-${index}`
}

/** The id of the message that a handler publishes because of this one. */
export function followUpId(cause: string): string {
  return `f-${cause}`
}

export function flowOf(id: string): FlowKey {
  return id.charAt(0) as FlowKey
}

/** On a message whose body may not be readable: its id. */
export const markHeader = 'faults-id'

/** The name of who publishes what faults publish, with the harm that it does. */
export function harmful(harm: BombData['harm'] | 'poison'): string {
  return `operator-${harm}`
}

/** Follows from the id alone, so that the invariants know it too. */
export function fateOf(id: string): Fate {
  if (id.includes(harmful('poison'))) return 'poison'
  if (id.includes(harmful('abort'))) return 'aborts'
  const flow = flowOf(id)
  const index = Number(id.slice(id.lastIndexOf('-') + 1))
  const { failsOnce, failsAlways }: Flow = flows[flow]
  if (index % failsAlways[0] === failsAlways[1]) return 'failsAlways'
  return index % failsOnce[0] === failsOnce[1] ? 'failsOnce' : 'works'
}

/** Which of the flows a publisher's message of this number belongs to. Of fifty: one command, fifteen works, and steps. */
export function flowAt(index: number): 's' | 'w' | 'c' {
  if (index % 50 === 49) return 'c'
  return index % 10 < 3 ? 'w' : 's'
}

/** Calls of a handler that a message gets at most: the first one and one for each delay. */
export function maxAttempts(flow: FlowKey): number {
  return flows[flow].delaysMs.length + 1
}
