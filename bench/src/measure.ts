/** One contender of an operation, ready to be measured more than once. */
export interface Contender {
  readonly name: string
  /** Makes ready what `run` works on; not measured. */
  prepare?(messages: number): Promise<void>
  /** Does the work `messages` times; resolves when all of it is done. */
  run(messages: number): Promise<void>
  close(): Promise<void>
}

/** Two contenders that do the same work. */
export interface Operation {
  readonly operation: string
  /** Whom we are measured against. */
  readonly against: string
  /** The least rate ratio and the greatest CPU ratio that are allowed. */
  readonly budget: { readonly rateRatio?: number; readonly cpuRatio?: number }
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

interface Sample {
  readonly rate: number
  readonly cpuMicros: number
}

/** Measures both contenders in turn, so that whatever else the machine does hits both; the first round only warms up. */
export async function compare(
  operation: Operation,
  settings: { readonly messages: number; readonly rounds: number; readonly onRound: (round: number) => void },
): Promise<Comparison> {
  const { ours, bare } = await operation.open()
  const samples = { ours: [] as Sample[], bare: [] as Sample[] }
  try {
    for (let round = 0; round <= settings.rounds; round += 1) {
      settings.onRound(round)
      // Who goes first changes, so that neither always finds the other's garbage.
      const first = round % 2 === 0 ? 'bare' : 'ours'
      for (const who of first === 'bare' ? (['bare', 'ours'] as const) : (['ours', 'bare'] as const)) {
        const sample = await measure(who === 'ours' ? ours : bare, settings.messages)
        if (round > 0) samples[who].push(sample)
      }
    }
  } finally {
    await Promise.allSettled([ours.close(), bare.close()])
  }
  return judge(operation, figure(ours.name, samples.ours, settings), figure(bare.name, samples.bare, settings))
}

async function measure(contender: Contender, messages: number): Promise<Sample> {
  await contender.prepare?.(messages)
  globalThis.gc?.()
  const cpu = process.cpuUsage()
  const start = performance.now()
  await contender.run(messages)
  const elapsedMs = performance.now() - start
  const { user, system } = process.cpuUsage(cpu)
  return { rate: (messages / elapsedMs) * 1000, cpuMicros: (user + system) / messages }
}

function figure(name: string, samples: readonly Sample[], settings: { readonly messages: number }): Figure {
  return {
    contender: name,
    ratePerSecond: Math.round(median(samples.map((sample) => sample.rate))),
    cpuMicrosPerMessage: round(median(samples.map((sample) => sample.cpuMicros))),
    rounds: samples.length,
    messages: settings.messages,
  }
}

function judge(operation: Operation, ours: Figure, bare: Figure): Comparison {
  const rateRatio = round(ours.ratePerSecond / bare.ratePerSecond)
  const cpuRatio = round(ours.cpuMicrosPerMessage / bare.cpuMicrosPerMessage)
  const { budget } = operation
  const withinBudget = rateRatio >= (budget.rateRatio ?? 0) && cpuRatio <= (budget.cpuRatio ?? Infinity)
  return { operation, ours, bare, rateRatio, cpuRatio, withinBudget }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

function round(value: number): number {
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
