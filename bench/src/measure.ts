/** One contender of an operation, ready to be measured more than once. */
export type Contender = InProcessContender | OwnProcessContender

/** Measured where the bench runs. */
export interface InProcessContender {
  readonly name: string
  /** Makes ready what `run` works on; not measured. */
  prepare?(messages: number): Promise<void>
  /**
   * Does the work `messages` times; resolves when all of it is done. Measured from the call on, or from `begin` on where
   * there is something to set up first, such as joining a group.
   */
  run(messages: number, begin: () => void): Promise<void>
  close(): Promise<void>
}

/** Measures itself in a process of its own, so that no heap carries traces of another contender or of the preparation. */
export interface OwnProcessContender {
  readonly name: string
  sample(messages: number): Promise<Sample>
  close(): Promise<void>
}

/** Two contenders that do the same work. */
export interface Operation {
  readonly operation: string
  /** Whom we are measured against. */
  readonly against: string
  /** The least rate ratio, the least rate of ours and the greatest CPU ratio that are allowed. */
  readonly budget: { readonly rateRatio?: number; readonly ratePerSecond?: number; readonly cpuRatio?: number }
  /** Messages per round at the most, where each takes long. */
  readonly maxMessages?: number
  open(): Promise<{ readonly ours: Contender; readonly bare: Contender }>
}

/** What one contender's rounds came to: medians. */
export interface Figure {
  readonly contender: string
  readonly ratePerSecond: number
  readonly cpuMicrosPerMessage: number
  readonly rounds: number
  readonly messages: number
}

export interface Comparison {
  readonly operation: Operation
  readonly ours: Figure
  readonly bare: Figure
  /** Ours ÷ bare, of the medians. */
  readonly rateRatio: number
  readonly cpuRatio: number
  readonly withinBudget: boolean
}

/** What one round came to. */
export interface Sample {
  readonly rate: number
  readonly cpuMicros: number
}

/** Measures both contenders in turn, so that whatever else the machine does hits both; the first round only warms up. */
export async function compare(
  operation: Operation,
  settings: { readonly messages: number; readonly rounds: number; readonly onRound: (round: number) => void },
): Promise<Comparison> {
  const { ours, bare } = await operation.open()
  const messages = Math.min(settings.messages, operation.maxMessages ?? Infinity)
  const samples = { ours: [] as Sample[], bare: [] as Sample[] }
  try {
    for (let round = 0; round <= settings.rounds; round += 1) {
      settings.onRound(round)
      // Who goes first changes, so that neither always finds the other's garbage.
      const first = round % 2 === 0 ? 'bare' : 'ours'
      for (const who of first === 'bare' ? (['bare', 'ours'] as const) : (['ours', 'bare'] as const)) {
        const sample = await measure(who === 'ours' ? ours : bare, messages)
        if (round > 0) samples[who].push(sample)
      }
    }
  } finally {
    await Promise.allSettled([ours.close(), bare.close()])
  }
  return judge(operation, figure(ours.name, samples.ours, messages), figure(bare.name, samples.bare, messages))
}

async function measure(contender: Contender, messages: number): Promise<Sample> {
  if ('sample' in contender) return contender.sample(messages)
  await contender.prepare?.(messages)
  globalThis.gc?.()
  let cpu = process.cpuUsage()
  let start = performance.now()
  await contender.run(messages, () => {
    cpu = process.cpuUsage()
    start = performance.now()
  })
  const elapsedMs = performance.now() - start
  const { user, system } = process.cpuUsage(cpu)
  return { rate: (messages / elapsedMs) * 1000, cpuMicros: (user + system) / messages }
}

function figure(name: string, samples: readonly Sample[], messages: number): Figure {
  return {
    contender: name,
    ratePerSecond: Math.round(median(samples.map((sample) => sample.rate))),
    cpuMicrosPerMessage: round(median(samples.map((sample) => sample.cpuMicros))),
    rounds: samples.length,
    messages,
  }
}

function judge(operation: Operation, ours: Figure, bare: Figure): Comparison {
  const rateRatio = round(ours.ratePerSecond / bare.ratePerSecond)
  const cpuRatio = round(ours.cpuMicrosPerMessage / bare.cpuMicrosPerMessage)
  const { budget } = operation
  const isQuick = rateRatio >= (budget.rateRatio ?? 0) && ours.ratePerSecond >= (budget.ratePerSecond ?? 0)
  const withinBudget = isQuick && cpuRatio <= (budget.cpuRatio ?? Infinity)
  return { operation, ours, bare, rateRatio, cpuRatio, withinBudget }
}

/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** To three places. */
export function round(value: number): number {
  return Math.round(value * 1000) / 1000
}

/** Keeps `width` calls of `step` under way until `count` have ended. */
export async function slidingWindow(
  count: number,
  width: number,
  step: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) await step(next++)
  }
  await Promise.all(Array.from({ length: Math.min(width, count) }, worker))
}
