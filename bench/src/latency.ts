import { slidingWindow } from './measure.js'

/** One contender of a latency comparison: publishes one message, and says when what happened. */
export interface LatencyContender {
  readonly name: string
  /** Publishes one message and resolves when it is confirmed and handled. */
  once(): Promise<Latency>
  close(): Promise<void>
}

/** From the call of publish on, in milliseconds. */
export interface Latency {
  readonly confirmMs: number
  readonly handledMs: number
}

/** Two contenders that publish, confirm and handle one message at a time. */
export interface LatencyOperation {
  readonly against: string
  /** The greatest ratio of the medians that is allowed. */
  readonly budget: number
  open(): Promise<{ readonly ours: LatencyContender; readonly bare: LatencyContender }>
}

/** Medians, ours ÷ bare, of one of the two latencies. */
export interface LatencyComparison {
  readonly latency: 'publish to confirm' | 'publish to handler'
  readonly against: string
  readonly oursP50Ms: number
  readonly bareP50Ms: number
  readonly messages: number
  readonly ratio: number
  readonly budget: number
  readonly withinBudget: boolean
}

const perSecond = 100
/** So many messages go through before anything is measured: services that run have optimised code. */
const warmUpCount = 5_000

/**
 * Publishes 100 messages a second, the two contenders in turns of a second so that whatever else the machine does hits
 * both; the first turn of each only warms up.
 */
export async function compareLatency(operation: LatencyOperation, seconds: number): Promise<LatencyComparison[]> {
  const { ours, bare } = await operation.open()
  const samples = { ours: [] as Latency[], bare: [] as Latency[] }
  try {
    for (const contender of [bare, ours]) await slidingWindow(warmUpCount, 50, () => contender.once())
    for (let second = 0; second <= seconds; second += 1) {
      for (const who of second % 2 === 0 ? (['bare', 'ours'] as const) : (['ours', 'bare'] as const)) {
        const taken = await oneSecond(who === 'ours' ? ours : bare)
        if (second > 0) samples[who].push(...taken)
      }
    }
  } finally {
    await Promise.allSettled([ours.close(), bare.close()])
  }
  return (['confirmMs', 'handledMs'] as const).map((field) => {
    const oursP50Ms = median(samples.ours.map((sample) => sample[field]))
    const bareP50Ms = median(samples.bare.map((sample) => sample[field]))
    const ratio = Math.round((oursP50Ms / bareP50Ms) * 1000) / 1000
    const { against, budget } = operation
    const latency = field === 'confirmMs' ? 'publish to confirm' : 'publish to handler'
    const messages = samples.ours.length
    return { latency, against, oursP50Ms, bareP50Ms, messages, ratio, budget, withinBudget: ratio <= budget }
  })
}

async function oneSecond(contender: LatencyContender): Promise<Latency[]> {
  const running: Promise<Latency>[] = []
  for (let index = 0; index < perSecond; index += 1) {
    running.push(contender.once())
    await new Promise((resolve) => setTimeout(resolve, 1000 / perSecond))
  }
  return Promise.all(running)
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right)
  return Math.round((sorted[sorted.length >> 1] ?? 0) * 1000) / 1000
}
