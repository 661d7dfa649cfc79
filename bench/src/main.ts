import Table from 'cli-table3'
import { Command, InvalidArgumentError } from 'commander'
import { addressesFrom, startBrokers } from './addresses.js'
import { chooseKafkaDriver } from './kafkaDriver.js'
import { compareLatency } from './latency.js'
import type { LatencyComparison, LatencyOperation } from './latency.js'
import { memoryOperations } from './memory.js'
import { compare } from './measure.js'
import type { Comparison, Operation } from './measure.js'
import { compareTracing } from './tracing.js'
import type { TracingComparison } from './tracing.js'

const operationsOf: Readonly<Record<string, () => Promise<readonly Operation[]>>> = {
  memory: () => Promise.resolve(memoryOperations),
  rabbitmq: async () => (await import('./rabbitmq.js')).rabbitMqOperations(),
  kafka: async () => (await import('./kafka.js')).kafkaOperations(),
  outbox: async () => (await import('./outbox.js')).outboxOperations(),
}

/** Latencies at 100 messages a second. */
const latencyOf: Readonly<Record<string, () => Promise<LatencyOperation>>> = {
  rabbitmq: async () =>
    (await import('./rabbitmqLatency.js')).rabbitMqLatency(addressesFrom('POSTHORN_RABBITMQ_URL')[0]!),
}

interface BenchOptions {
  readonly messages: number
  readonly rounds: number
  readonly seconds: number
  readonly only?: string
  readonly driver?: string
  readonly tracing?: boolean
  readonly json?: boolean
}

const program = new Command('bench')
  .description(
    'Measures Posthorn against the same work by hand on the bare client, alternating, medians of the rounds.',
  )
  .argument('<transport>', `one of ${Object.keys(operationsOf).join(', ')}`)
  .option('--messages <n>', 'messages per round', count, 50_000)
  .option('--rounds <n>', 'rounds that count; one more warms up', count, 5)
  .option('--seconds <n>', 'seconds of latency at 100 messages a second, for each contender', count, 5)
  .option('--driver <name>', "Kafka's client underneath ours: kafkajs or platformatic")
  .option(
    '--only <operation>',
    'this operation alone, such as consume, latency, or memory for all that begin with memory/',
  )
  .option('--tracing', 'what telemetry costs instead: a service without, with no SDK, and with one that keeps 10 %')
  .option('--json', 'one JSON object per figure, and a summary per operation, on standard output')
  .action(bench)

async function bench(transport: string, options: BenchOptions): Promise<void> {
  const load = operationsOf[transport]
  if (load === undefined) {
    return program.error(`unknown transport ${transport}; one of ${Object.keys(operationsOf).join(', ')}`)
  }
  if (options.driver !== undefined) chooseKafkaDriver(options.driver)
  const stopBrokers = await startBrokers(transport)
  try {
    await (options.tracing === true ? measureTracing(transport, options) : measure(transport, load, options))
  } finally {
    await stopBrokers()
  }
}

async function measure(
  transport: string,
  load: () => Promise<readonly Operation[]>,
  options: BenchOptions,
): Promise<void> {
  const comparisons: Comparison[] = []
  const isWanted = (operation: string): boolean =>
    options.only === undefined || options.only === operation || operation.startsWith(`${options.only}/`)
  for (const operation of await load()) {
    if (!isWanted(operation.operation)) continue
    const onRound = (round: number): void => {
      const what = round === 0 ? 'warming up' : `round ${round} of ${options.rounds}`
      process.stderr.write(`${transport} ${operation.operation}: ${what}\n`)
    }
    const comparison = await compare(operation, { ...options, onRound })
    comparisons.push(comparison)
    if (options.json) writeJson(transport, comparison)
  }
  const latencies = isWanted('latency') ? await measureLatency(transport, options) : []
  if (!options.json) {
    if (comparisons.length > 0) writeTable(comparisons)
    if (latencies.length > 0) writeLatencyTable(latencies)
  }
  if (comparisons.length + latencies.length === 0) program.error(`${transport} has no operation ${options.only}`)
  process.exitCode = [...comparisons, ...latencies].every((comparison) => comparison.withinBudget) ? 0 : 1
}

async function measureTracing(transport: string, options: BenchOptions): Promise<void> {
  const { tracingPlaces } = await import('./tracingPlaces.js')
  const place = tracingPlaces[transport]?.()
  if (place === undefined) return program.error(`--tracing takes one of ${Object.keys(tracingPlaces).join(', ')}`)
  const onRound = (round: number): void =>
    void process.stderr.write(`${transport} tracing: round ${round} of ${options.rounds}\n`)
  const comparisons = await compareTracing(place, { ...options, onRound })
  if (!options.json) writeTracingTable(comparisons)
  else for (const comparison of comparisons) print({ summary: true, transport, operation: 'tracing', ...comparison })
  process.exitCode = comparisons.every(({ withinBudget }) => withinBudget) ? 0 : 1
}

function writeTracingTable(comparisons: readonly TracingComparison[]): void {
  const table = new Table({ head: ['telemetry', 'per second', 'CPU µs', 'CPU ÷', 'of each round', 'budget'] })
  for (const { contender, ratePerSecond, cpuMicrosPerMessage, cpuRatio, cpuRatios, budget, ...rest } of comparisons) {
    const most = budget.cpuRatio
    const verdict = most === undefined ? 'none' : `CPU ≤ ${most}: ${rest.withinBudget ? 'kept' : 'BROKEN'}`
    table.push([contender, ratePerSecond, cpuMicrosPerMessage, cpuRatio, cpuRatios.join(' '), verdict])
  }
  process.stdout.write(`${table.toString()}\n`)
}

async function measureLatency(transport: string, options: BenchOptions): Promise<LatencyComparison[]> {
  const operation = await latencyOf[transport]?.()
  if (operation === undefined) return []
  process.stderr.write(`${transport} latency: ${options.seconds} seconds of each\n`)
  const latencies = await compareLatency(operation, options.seconds)
  if (options.json)
    for (const latency of latencies) print({ summary: true, transport, operation: 'latency', ...latency })
  return latencies
}

function writeLatencyTable(latencies: readonly LatencyComparison[]): void {
  const table = new Table({ head: ['latency at 100/s, p50', 'amqplib + ajv', 'posthorn', '÷', 'budget'] })
  for (const { latency, bareP50Ms, oursP50Ms, ratio, budget, withinBudget } of latencies) {
    const verdict = `≤ ${budget}: ${withinBudget ? 'kept' : 'BROKEN'}`
    table.push([latency, `${bareP50Ms} ms`, `${oursP50Ms} ms`, ratio, verdict])
  }
  process.stdout.write(`${table.toString()}\n`)
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
    const { rateRatio: least, ratePerSecond, cpuRatio: most } = operation.budget
    const floor = ratePerSecond && `${ratePerSecond} a second`
    const budget =
      [least && `rate ≥ ${least}`, floor, most && `CPU ≤ ${most}`].filter(Boolean).join(', ') || 'none here'
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
