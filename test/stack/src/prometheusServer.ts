import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { debianLibraries, installDebianPackage } from './installDebian.js'
import type { Installed } from './install.js'
import { nodeFolder, type Instance, type InstanceNode, type PrometheusSettings } from './instances.js'
import { httpGet, onLoopback } from './probes.js'
import type { Progress } from './progress.js'
import type { ServerCommand, ServerKind } from './server.js'

/** Debian's package, unpacked and not installed: its service would start, and listen everywhere. */
export const installPrometheus = async (progress: Progress): Promise<Installed> => {
  try {
    return await installDebianPackage('prometheus', progress)
  } catch (error) {
    throw new Error(
      `Prometheus cannot be set up: ${(error as Error).message}
It comes from Debian's packages: run this on Debian, as a user that may run apt-get`,
      { cause: error },
    )
  }
}

/** One of the two programs of an installation, and the variables that it needs. */
export const prometheusProgram = (installed: string, name: 'prometheus' | 'promtool'): ServerCommand => {
  const command = join(installed, 'usr/bin', name)
  if (!existsSync(command)) throw new Error(`${installed} has no ${name}: delete it and try again`)
  return { command, args: [], env: debianLibraries(installed) }
}

const folderOf = (instance: Instance, node: InstanceNode): string => join(nodeFolder(instance, node), 'configuration')

const prepare = async (instance: Instance): Promise<void> => {
  const node = instance.nodes[0] as InstanceNode
  const { prometheus: given } = instance
  if (given === undefined) throw new Error('Prometheus reads a configuration: give its folder')
  const folder = folderOf(instance, node)
  cpSync(given.configuration, folder, { recursive: true })
  setTargets(folder, given.targets)
  if (given.intervalSeconds !== undefined) setIntervals(folder, given.intervalSeconds)
  mkdirSync(join(nodeFolder(instance, node), 'data'))
}

/** Only who is named is scraped. */
const setTargets = (folder: string, targets: PrometheusSettings['targets']): void => {
  const files = join(folder, 'targets')
  for (const file of existsSync(files) ? readdirSync(files) : []) rmSync(join(files, file))
  mkdirSync(files, { recursive: true })
  for (const [name, groups] of Object.entries(targets)) {
    writeFileSync(join(files, `${name}.yml`), stringify(groups))
  }
}

const setIntervals = (folder: string, seconds: number): void => {
  const file = join(folder, 'prometheus.yml')
  const written = parse(readFileSync(file, 'utf8')) as { global?: object }
  const interval = `${seconds}s`
  const global = {
    ...written.global,
    scrape_interval: interval,
    scrape_timeout: interval,
    evaluation_interval: interval,
  }
  writeFileSync(file, stringify({ ...written, global }))
}

const command = (instance: Instance, node: InstanceNode): ServerCommand => {
  const { command: program, env = {} } = prometheusProgram(instance.installed, 'prometheus')
  const args = [
    `--config.file=${join(folderOf(instance, node), 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(nodeFolder(instance, node), 'data')}`,
    `--web.listen-address=127.0.0.1:${node.ports['http']}`,
    '--log.level=warn',
  ]
  return { command: program, args, env }
}

export const prometheusServer: ServerKind = {
  portNames: { shared: [], perNode: ['http'] },
  install: (_version, progress) => installPrometheus(progress),
  prepare,
  command,
  answers: async (_instance, node) => (await httpGet(onLoopback(node.ports['http']), '/-/ready')) === 200,
}

export const prometheusUrl = (instance: Instance): string => `http://127.0.0.1:${instance.nodes[0]?.ports['http']}`
