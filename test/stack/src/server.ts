import { closeSync, existsSync, openSync, readFileSync, statSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { nodeFolder, type Instance, type InstanceNode } from './instances.js'
import { instanceVariable, nodeVariable } from './processes.js'
import type { Installed } from './install.js'
import type { Progress } from './progress.js'

/** What differs between the kinds of servers; what they have in common is in `lifecycle.ts`. */
export interface ServerKind {
  readonly portNames: { readonly shared: readonly string[]; readonly perNode: readonly string[] }
  /** Finds or makes the installation that instances run from. */
  install(version: string, progress: Progress): Promise<Installed>
  /** Lays out configuration and data of a new instance, before its first start. */
  prepare(instance: Instance, progress: Progress): Promise<void>
  /** The command that runs one node in the foreground. */
  command(instance: Instance, node: InstanceNode): ServerCommand
  /** Whether the node answers its clients now. `consoleText` is what it printed since this start, if we know. */
  answers(instance: Instance, node: InstanceNode, consoleText?: string): Promise<boolean>
  /** Processes that belong to the instance rather than to the node that happened to start them. */
  readonly survivors?: readonly string[]
}

export interface ServerCommand {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** A started process, as far as a start has to watch it. */
export interface Launched {
  hasEnded(): boolean
  /** What it has printed since it was started. */
  consoleText(): string
}

export const consoleFile = (instance: Instance, node: InstanceNode): string =>
  join(nodeFolder(instance, node), 'console.log')

/** The variables of all that runs for an instance: no more of ours than the PATH, and the marks to find it again. */
export const serverEnvironment = (instance: Instance, node?: InstanceNode): Record<string, string> => ({
  PATH: process.env['PATH'] ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LANG: 'C.UTF-8',
  [instanceVariable]: instance.id,
  ...(node === undefined ? {} : { [nodeVariable]: String(node.index) }),
})

/** Starts a node in a process group of its own, independent of ours; what it prints goes to its `console.log`. */
export const launch = (kind: ServerKind, instance: Instance, node: InstanceNode): Launched => {
  const { command, args, env } = kind.command(instance, node)
  const file = consoleFile(instance, node)
  const from = existsSync(file) ? statSync(file).size : 0
  const output = openSync(file, 'a')
  const child = spawn(command, args, {
    cwd: nodeFolder(instance, node),
    env: { ...serverEnvironment(instance, node), ...env },
    detached: true,
    stdio: ['ignore', output, output],
  })
  closeSync(output)
  let ended = false
  child.on('error', () => (ended = true))
  child.on('exit', () => (ended = true))
  child.unref()
  return {
    hasEnded: () => ended,
    consoleText: () => (existsSync(file) ? readFileSync(file).subarray(from).toString() : ''),
  }
}
