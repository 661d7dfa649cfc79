import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { median, round } from './measure.js'
import type { Figure } from './measure.js'

/** Who does the same work: a service that publishes messages to itself and handles them. */
export type TracingContender = 'none' | 'noSdk' | 'sampled' | 'traces' | 'sdk' | 'byHand'

interface ContenderFacts {
  readonly name: string
  /** The greatest CPU ratio against the service without telemetry. */
  readonly cpuRatio?: number
}

/** Who is measured, in this order; the first is what the others are measured against. */
const contenders: Readonly<Record<TracingContender, ContenderFacts>> = {
  none: { name: 'no telemetry' },
  noSdk: { name: 'createOpenTelemetry(), no SDK', cpuRatio: 1.03 },
  sampled: { name: 'an SDK for traces, of which it keeps 10 %, and metrics', cpuRatio: 1.15 },
  traces: { name: 'the same SDK, without metrics' },
  sdk: { name: 'the same SDK, no telemetry of ours' },
  byHand: { name: 'the same SDK, two spans by hand' },
}

const names = Object.keys(contenders) as TracingContender[]

/** What one slice of a round came to. */
export interface SliceSample {
  readonly elapsedMs: number
  readonly cpuMicros: number
}

/** One contender's figures, and how they compare with the service without telemetry. */
export interface TracingComparison extends Figure {
  readonly who: TracingContender
  /** The median of the rounds' ratios. */
  readonly cpuRatio: number
  readonly cpuRatios: readonly number[]
  readonly budget: { readonly cpuRatio?: number }
  readonly withinBudget: boolean
}

/** Makes and removes what the services of a round work on. */
export interface TracingPlace {
  readonly transport: string
  prepare(destinations: readonly string[]): Promise<void>
  remove(destinations: readonly string[]): Promise<void>
}

interface TracingSettings {
  readonly messages: number
  readonly rounds: number
  readonly onRound: (round: number) => void
}

/** Messages of one slice: short, so that whatever else the machine does hits all contenders. */
const sliceCount = 2_500
/** Before a round counts: V8 optimises what runs often, in the background. */
const warmUpCount = 20_000

/** Measures all contenders, slice by slice in turn, with fresh processes for each round. */
export async function compareTracing(place: TracingPlace, settings: TracingSettings): Promise<TracingComparison[]> {
  const rounds: Record<TracingContender, Sample>[] = []
  for (let at = 1; at <= settings.rounds; at += 1) {
    settings.onRound(at)
    rounds.push(await measureRound(place, settings.messages))
  }
  return names.map((who) => judge(who, rounds, settings.messages))
}

interface Sample {
  readonly ratePerSecond: number
  readonly cpuMicros: number
}

async function measureRound(place: TracingPlace, messages: number): Promise<Record<TracingContender, Sample>> {
  const destinations = names.map(() => `bench-${randomUUID()}`)
  const children: ChildProcess[] = []
  try {
    await place.prepare(destinations)
    for (const [index, who] of names.entries()) children.push(await start([place.transport, who, destinations[index]!]))
    await inTurns(children, warmUpCount)
    const samples = await inTurns(children, messages)
    return Object.fromEntries(names.map((who, index) => [who, samples[index]!])) as Record<TracingContender, Sample>
  } finally {
    await Promise.allSettled(children.map(stop))
    await place.remove(destinations)
  }
}

/** Who goes first changes from slice to slice, so that nobody always finds the broker as the same one left it. */
async function inTurns(children: readonly ChildProcess[], messages: number): Promise<Sample[]> {
  const totals = children.map(() => ({ elapsedMs: 0, cpuMicros: 0 }))
  for (let left = messages, slice = 0; left > 0; left -= sliceCount, slice += 1) {
    for (let turn = 0; turn < children.length; turn += 1) {
      const index = (turn + slice) % children.length
      const { elapsedMs, cpuMicros } = await ask(children[index]!, Math.min(left, sliceCount))
      totals[index]!.elapsedMs += elapsedMs
      totals[index]!.cpuMicros += cpuMicros
    }
  }
  return totals.map(({ elapsedMs, cpuMicros }) => ({
    ratePerSecond: (messages / elapsedMs) * 1_000,
    cpuMicros: cpuMicros / messages,
  }))
}

const program = fileURLToPath(new URL('tracingService.js', import.meta.url))

async function start(args: readonly string[]): Promise<ChildProcess> {
  const child = fork(program, args)
  await answer(child)
  return child
}

function ask(child: ChildProcess, messages: number): Promise<SliceSample> {
  child.send(messages)
  return answer(child) as Promise<SliceSample>
}

async function answer(child: ChildProcess): Promise<unknown> {
  const ended = new AbortController()
  try {
    const [message] = await Promise.race([
      once(child, 'message', ended),
      once(child, 'exit', ended).then(([code]) => {
        throw new Error(`A service of the bench ended with exit code ${String(code)}`)
      }),
    ])
    return message as unknown
  } finally {
    ended.abort()
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const ended = once(child, 'exit')
  child.disconnect()
  await ended
}

function judge(
  who: TracingContender,
  rounds: readonly Record<TracingContender, Sample>[],
  messages: number,
): TracingComparison {
  const { name, cpuRatio: most } = contenders[who]
  const cpuRatios = rounds.map((samples) => round(samples[who].cpuMicros / samples.none.cpuMicros))
  const cpuRatio = round(median(cpuRatios))
  return {
    who,
    contender: name,
    ratePerSecond: Math.round(median(rounds.map((samples) => samples[who].ratePerSecond))),
    cpuMicrosPerMessage: round(median(rounds.map((samples) => samples[who].cpuMicros))),
    rounds: rounds.length,
    messages,
    cpuRatio,
    cpuRatios,
    budget: most === undefined ? {} : { cpuRatio: most },
    withinBudget: cpuRatio <= (most ?? Infinity),
  }
}
