import { Command, Option } from 'commander'
import pc from 'picocolors'
import { addressesOf, environmentOf, exportLines } from './environment.js'
import { sharedInstances, sweepOrphans, readInstances, type Instance } from './instances.js'
import { bringUp, isAnswering, takeDown } from './lifecycle.js'
import { isSameProcess } from './processes.js'
import { showProgress } from './progress.js'
import { parseTarget, targetNames, type Target } from './targets.js'

const say = (text: string): boolean => process.stderr.write(`${text}\n`)

const parseAll = (names: readonly string[]): Target[] => [
  ...new Map(names.map(parseTarget).map((target) => [target.name, target])).values(),
]

/** The shared instances of these targets, or all of them; a target that is not up is an error. */
const select = (names: readonly string[]): Instance[] => {
  const up = sharedInstances().filter(({ ready }) => ready)
  if (names.length === 0) return up
  return parseAll(names).map((target) => {
    const instance = up.find((it) => it.target.name === target.name)
    if (instance === undefined) throw new Error(`${target.name} is not up: npm run stack -- up ${target.name}`)
    return instance
  })
}

const up = async (names: readonly string[]): Promise<void> => {
  const targets = parseAll(names)
  const board = showProgress()
  const results = await Promise.allSettled(
    targets.map((target) => board.follow(target.name, (progress) => bringUp(target, progress))),
  )
  board.close()
  const started = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  process.stdout.write(exportLines(environmentOf(started)))
  const failed = results.flatMap((result, at) =>
    result.status === 'rejected' ? [`${targets[at]?.name}: ${(result.reason as Error).message}`] : [],
  )
  if (failed.length > 0) throw new Error(failed.join('\n'))
  say(pc.dim('they stay up until: npm run stack -- down'))
}

const env = (names: readonly string[], options: { json?: boolean }): void => {
  const instances = select(names)
  const variables = environmentOf(instances)
  process.stdout.write(options.json ? `${JSON.stringify(variables)}\n` : exportLines(variables))
  if (instances.length === 0) say('nothing is up: npm run stack -- up rabbitmq kafka postgres')
  const hidden = instances.filter((it) => !Object.values(variables).includes(addressesOf(it).join(',')))
  for (const { target } of hidden) say(`also up: ${target.name} (npm run -s stack -- env ${target.name})`)
}

const stateOf = ({ owner, ready }: Instance): string => {
  if (owner === null) return ready ? 'shared' : 'starting'
  return isSameProcess(owner) ? `owned by process ${owner.pid}` : 'left by a killed process (down removes it)'
}

interface StatusRow {
  readonly target: string
  readonly version: string
  readonly state: string
  /** For each node. */
  readonly answering: readonly boolean[]
  readonly addresses: readonly string[]
  readonly startedAt: string
  readonly folder: string
}

const statusOf = async (instance: Instance): Promise<StatusRow> => ({
  target: instance.target.name,
  version: instance.version,
  state: stateOf(instance),
  answering: await Promise.all(instance.nodes.map((node) => isAnswering(instance, node))),
  addresses: addressesOf(instance),
  startedAt: instance.startedAt,
  folder: instance.folder,
})

const status = async (options: { json?: boolean }): Promise<void> => {
  const rows = await Promise.all(readInstances().map(statusOf))
  if (options.json) return void process.stdout.write(`${JSON.stringify(rows)}\n`)
  if (rows.length === 0) say('nothing is up')
  for (const { target, version, state, answering, addresses, folder } of rows) {
    const health = answering.map((ok) => (ok ? pc.green('answers') : pc.red('does not answer'))).join(', ')
    process.stdout.write(`${pc.bold(target)} ${version} · ${health} · ${state}\n`)
    process.stdout.write(`  ${addresses.join(',')}\n  ${folder}\n`)
  }
}

const down = async (names: readonly string[]): Promise<void> => {
  // Also those that never became ready: whoever started them may have been killed on the way.
  const wanted = parseAll(names).map((target) => target.name)
  const chosen = sharedInstances().filter(({ target }) => wanted.length === 0 || wanted.includes(target.name))
  const orphans = await sweepOrphans()
  await Promise.all(chosen.map(takeDown))
  for (const { target } of [...chosen, ...orphans]) say(`${target.name} is down, its data is removed`)
  if (chosen.length + orphans.length === 0) say('nothing was up')
}

/** The command line; each action throws what goes wrong. */
export const createProgram = (): Command => {
  const program = new Command('npm run stack --')
    .description('Local servers for the tests, the sample and the benchmarks: on loopback, on ports of their own.')
    .addHelpText('after', `\nTargets: ${targetNames.join(', ')}; rabbitmq and kafka mean the newest.`)
  const json = (): Option => new Option('--json', 'print JSON')
  program
    .command('up')
    .description('install what is missing and start; what runs already is left alone')
    .argument('<targets...>', 'what to start, such as rabbitmq@4.3 kafka@4.3 postgres')
    .action(up)
  program
    .command('env')
    .description('print the variables that name the servers: eval "$(npm run -s stack -- env)"')
    .argument('[targets...]', 'of these; otherwise of all that is up, the last started of each kind')
    .addOption(json())
    .action(env)
  program.command('status').description('list what is up and whether it answers').addOption(json()).action(status)
  program
    .command('down')
    .description('end the servers, and remove their data')
    .argument('[targets...]', 'these; otherwise all that up started')
    .action(down)
  return program
}
