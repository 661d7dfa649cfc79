import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { allLies } from '@posthorn/testing'
import { Argument, Command, InvalidArgumentError, Option } from 'commander'
import { maxUnconfirmed } from './childPublisher.js'
import type { AnyLie, Role } from './childLink.js'
import { judge } from './invariants.js'
import { createKafkaTarget, driverNames } from './kafkaTarget.js'
import { outboxLies } from './outbox/outboxLies.js'
import { createOutboxTarget } from './outbox/outboxTarget.js'
import { createRabbitMqTarget } from './rabbitMqTarget.js'
import { problemLines, progressLine, summarize } from './report.js'
import { commandOf } from './runOptions.js'
import type { RunOptions } from './runOptions.js'
import { kindsOf, runFaults } from './runner.js'
import type { CreateTarget } from './target.js'

const targets: Readonly<Record<string, CreateTarget>> = {
  rabbitmq: createRabbitMqTarget,
  kafka: createKafkaTarget,
  outbox: createOutboxTarget,
}
/** Publishes in a second that two cores carry, servers included. */
const defaultRates: Readonly<Record<string, number>> = { rabbitmq: 1_000, kafka: 1_000, outbox: 280 }
const roles: readonly Role[] = ['publisher', 'consumer', 'reader', 'relay']
const lies: readonly AnyLie[] = [...allLies, ...outboxLies]
const limits = { maxUnconfirmed, maxRssBytes: 400 * 1_024 * 1_024 }

interface Flags {
  readonly seed: number
  readonly minutes: number
  readonly version?: string
  readonly nodes: 1 | 3
  readonly driver?: string
  readonly rate?: number
  readonly faults?: readonly string[]
  readonly lie?: RunOptions['lie']
  readonly patience: number
  readonly keep?: boolean
  readonly json?: boolean
}

/** The command line; resolves when the run is over and sets the exit code. */
export function createProgram(): Command {
  return new Command('npm run faults --')
    .description(
      'Breaks everything between services and their brokers, and checks from outside that no promise was broken.',
    )
    .addArgument(new Argument('<target>', 'what to run on').choices(Object.keys(targets)))
    .addOption(new Option('--seed <number>', 'the same seed gives the same schedule').argParser(numberOf).default(1))
    .addOption(new Option('--minutes <number>', 'how long').argParser(numberOf).default(10))
    .addOption(new Option('--version <version>', 'of the servers; by default the newest'))
    .addOption(
      new Option('--nodes <count>', 'servers in the cluster').choices(['1', '3']).argParser(nodesOf).default(1),
    )
    .addOption(new Option('--driver <name>', 'of the adapter for Kafka; by default its own').choices(driverNames))
    .addOption(new Option('--rate <number>', 'publishes in a second').argParser(numberOf))
    .addOption(new Option('--faults <kinds>', 'only these kinds of faults, separated by commas').argParser(listOf))
    .addOption(new Option('--lie <role:lie>', 'break a promise; the run must fail').argParser(lieOf))
    .addOption(
      new Option('--patience <ms>', 'at the end, until what does not move is lost').argParser(numberOf).default(30_000),
    )
    .addOption(new Option('--keep', 'keep the folder of ledgers and logs'))
    .addOption(new Option('--json', 'print the summary as JSON, as the last line'))
    .action(async (target: string, flags: Flags) => run(target, flags))
}

function numberOf(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value > 0)) throw new InvalidArgumentError('It must be a number above zero.')
  return value
}

function nodesOf(text: string): 1 | 3 {
  if (text !== '1' && text !== '3') throw new InvalidArgumentError('It must be 1 or 3.')
  return text === '1' ? 1 : 3
}

function listOf(text: string): string[] {
  return text.split(',').filter((name) => name !== '')
}

function lieOf(text: string): RunOptions['lie'] {
  const [role, lie] = text.split(':')
  if (!roles.includes(role as Role)) throw new InvalidArgumentError(`The role must be one of ${roles.join(', ')}.`)
  if (!lies.includes(lie as AnyLie)) throw new InvalidArgumentError(`The lie must be one of ${lies.join(', ')}.`)
  return { role: role as Role, lie: lie as AnyLie }
}

async function run(targetName: string, flags: Flags): Promise<void> {
  const options: RunOptions = {
    target: targetName,
    seed: flags.seed,
    totalMs: flags.minutes * 60_000,
    version: flags.version,
    nodes: flags.nodes,
    driver: flags.driver,
    rate: flags.rate ?? defaultRates[targetName]!,
    kinds: flags.faults,
    lie: flags.lie,
    patienceMs: flags.patience,
  }
  const say = (text: string): void => void process.stderr.write(`${text}\n`)
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-faults-'))
  const stop = new AbortController()
  const interrupt = (): void => stop.abort(new Error('The run was interrupted'))
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, interrupt)
  let failed = true
  const { version, nodes, driver } = options
  const target = await targets[targetName]!({
    version,
    nodes,
    driver,
    totalMs: options.totalMs,
    progress: (text) => say(`${targetName}: ${text}`),
  })
  try {
    const unknown = (options.kinds ?? []).filter((kind) => kindsOf(target)[kind] === undefined)
    if (unknown.length > 0)
      throw new Error(`No such faults: ${unknown.join(', ')}. There are ${Object.keys(kindsOf(target)).join(', ')}`)
    say(
      `${targetName} ${target.version}${driver === undefined ? '' : ` on ${driver}`}, ${nodes} node(s), seed ${options.seed}, ${flags.minutes} min; ledgers in ${folder}`,
    )
    const facts = await runFaults(options, {
      target,
      folder,
      note: (text) => say(`  ${text}`),
      onProgress: (progress) => say(progressLine(progress)),
      signal: stop.signal,
    })
    const judgement = judge(facts, {
      ...limits,
      maxStallMs: target.maxStallMs,
      maxMoreSockets: target.maxMoreSockets,
      maxCopies: target.maxCopies,
    })
    const summary = summarize(facts, judgement, options)
    for (const line of problemLines(judgement)) say(line)
    failed = Object.values(summary.invariants).includes(false)
    process.stdout.write(`${JSON.stringify(summary, undefined, flags.json === true ? 0 : 2)}\n`)
  } finally {
    if (failed && !stop.signal.aborted) {
      writeFileSync(join(folder, 'servers.log'), target.log())
      say(`Ledgers and logs: ${folder}\nAgain: ${commandOf(options)}`)
    } else if (flags.keep !== true) rmSync(folder, { recursive: true, force: true })
    await target.close()
  }
  process.exitCode = failed ? 1 : 0
}
