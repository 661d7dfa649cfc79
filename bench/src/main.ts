import Table from 'cli-table3'
import { Command, InvalidArgumentError } from 'commander'
import { memoryOperations } from './memory.js'
import { compare } from './measure.js'
import type { Comparison, Operation } from './measure.js'

const operationsOf: Readonly<Record<string, () => Promise<readonly Operation[]>>> = {
  memory: () => Promise.resolve(memoryOperations),
  rabbitmq: async () => (await import('./rabbitmq.js')).rabbitMqOperations(),
  kafka: async () => (await import('./kafka.js')).kafkaOperations(),
}

interface BenchOptions {
  readonly messages: number
  readonly rounds: number
  readonly json?: boolean
}

const program = new Command('bench')
  .description(
    'Measures Posthorn against the same work by hand on the bare client, alternating, medians of the rounds.',
  )
  .argument('<transport>', `one of ${Object.keys(operationsOf).join(', ')}`)
  .option('--messages <n>', 'messages per round', count, 50_000)
  .option('--rounds <n>', 'rounds that count; one more warms up', count, 5)
  .option('--json', 'one JSON object per figure, and a summary per operation, on standard output')
  .action(bench)

async function bench(transport: string, options: BenchOptions): Promise<void> {
  const load = operationsOf[transport]
  if (load === undefined) {
    return program.error(`unknown transport ${transport}; one of ${Object.keys(operationsOf).join(', ')}`)
  }
  const comparisons: Comparison[] = []
  for (const operation of await load()) {
    const onRound = (round: number): void => {
      const what = round === 0 ? 'warming up' : `round ${round} of ${options.rounds}`
      process.stderr.write(`${transport} ${operation.operation}: ${what}\n`)
    }
    const comparison = await compare(operation, { ...options, onRound })
    comparisons.push(comparison)
    if (options.json) writeJson(transport, comparison)
  }
  if (!options.json) writeTable(comparisons)
  process.exitCode = comparisons.every((comparison) => comparison.withinBudget) ? 0 : 1
}

function writeJson(transport: string, comparison: Comparison): void {
  const { operation, ours, bare, rateRatio, cpuRatio, withinBudget } = comparison
  const place = { transport, operation: operation.operation }
  for (const figure of [bare, ours]) print({ ...place, ...figure })
  const { against, budget } = operation
  print({ summary: true, ...place, against, rateRatio, cpuRatio, budget, withinBudget })
}

function print(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

function writeTable(comparisons: readonly Comparison[]): void {
  const table = new Table({ head: ['operation', 'contender', 'per second', 'CPU µs', 'rate ÷', 'CPU ÷', 'budget'] })
  for (const { operation, ours, bare, rateRatio, cpuRatio, withinBudget } of comparisons) {
    const { rateRatio: least, cpuRatio: most } = operation.budget
    const budget = [least && `rate ≥ ${least}`, most && `CPU ≤ ${most}`].filter(Boolean).join(', ') || 'none here'
    table.push([operation.operation, bare.contender, bare.ratePerSecond, bare.cpuMicrosPerMessage, '', '', ''])
    table.push([
      '',
      ours.contender,
      ours.ratePerSecond,
      ours.cpuMicrosPerMessage,
      rateRatio,
      cpuRatio,
      `${budget}: ${withinBudget ? 'kept' : 'BROKEN'}`,
    ])
  }
  process.stdout.write(`${table.toString()}\n`)
}

function count(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('a whole number from 1')
  return value
}

await program.parseAsync()
