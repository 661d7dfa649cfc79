import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { stateFolder } from './folders.js'
import {
  createInstance,
  sharedInstances,
  sweepOrphans,
  writeInstance,
  type Instance,
  type InstanceNode,
  type ServerSettings,
} from './instances.js'
import { kafkaServer } from './kafkaServer.js'
import { withLock } from './lock.js'
import { pgBouncerServer } from './pgBouncerServer.js'
import { postgresServer } from './postgresServer.js'
import { prometheusServer } from './prometheusServer.js'
import { currentProcess, findProcesses, signalAll, type FoundProcess } from './processes.js'
import { silent, type Progress } from './progress.js'
import { rabbitMqServer } from './rabbitMqServer.js'
import { reap, watch, type Watchdog } from './reap.js'
import { launch, type Launched, type ServerKind } from './server.js'
import type { ServerName, Target } from './targets.js'

const kinds: Readonly<Record<ServerName, ServerKind>> = {
  rabbitmq: rabbitMqServer,
  kafka: kafkaServer,
  postgres: postgresServer,
  pgbouncer: pgBouncerServer,
  prometheus: prometheusServer,
}

const kindOf = (instance: Instance): ServerKind => kinds[instance.target.kind]

/** The step that every start takes; the others are installations, which take long the first time. */
export const starting = 'starting'

export interface OwnedInstance {
  readonly instance: Instance
  readonly release: () => Promise<void>
}

/** Starts an instance that ends with this process at the latest, with `release` before that. */
export const startOwned = async (
  target: Target,
  progress: Progress = silent,
  settings: ServerSettings = {},
): Promise<OwnedInstance> => {
  await sweepOrphans()
  const { instance, watchdog } = await start(target, { owned: true, progress, settings })
  return { instance, release: () => watchdog.release() }
}

/** Makes sure that the shared instance of a target is up, and stays up when we end; starts only what is not running. */
export const bringUp = async (target: Target, progress: Progress = silent): Promise<Instance> => {
  await sweepOrphans()
  const onWait = (): void => progress('waiting for another process that starts it')
  const lock = join(stateFolder(), `up-${target.name}.lock`)
  return withLock(
    lock,
    async () => {
      const known = sharedInstances().find((it) => it.target.name === target.name)
      if (known?.ready) return revive(known, progress)
      if (known !== undefined) await reap(known)
      const { instance, watchdog } = await start(target, { owned: false, progress })
      await watchdog.keep()
      return instance
    },
    onWait,
  )
}

/** Ends a shared instance; its data goes with it. */
export const takeDown = (instance: Instance): Promise<void> => reap(instance)

const start = async (
  target: Target,
  { owned, progress, settings }: { owned: boolean; progress: Progress; settings?: ServerSettings },
): Promise<{ instance: Instance; watchdog: Watchdog }> => {
  const kind = kinds[target.kind]
  const { path, version } = await kind.install(target.version, progress)
  const owner = owned ? currentProcess() : null
  const { portNames } = kind
  const created = await createInstance({ target, version, installed: path, owner, portNames, ...settings })
  const watchdog = watch(created)
  try {
    progress(starting)
    await kind.prepare(created, progress)
    await startNodes(created)
    const instance = { ...created, ready: true }
    writeInstance(instance)
    return { instance, watchdog }
  } catch (error) {
    await watchdog.release()
    throw error
  }
}

const revive = async (instance: Instance, progress: Progress): Promise<Instance> => {
  const running = await Promise.all(instance.nodes.map((node) => isAnswering(instance, node)))
  if (running.every(Boolean)) return instance
  progress(starting)
  await killNodes(
    instance,
    instance.nodes.filter((_, at) => running[at] === false).map((node) => node.index),
  )
  await startNodes(instance)
  return instance
}

export const isAnswering = (instance: Instance, node: InstanceNode): Promise<boolean> =>
  kindOf(instance).answers(instance, node)

const chosen = (instance: Instance, indexes: readonly number[] | undefined): InstanceNode[] => {
  if (indexes === undefined) return [...instance.nodes]
  return indexes.map((index) => {
    const node = instance.nodes.find((it) => it.index === index)
    if (node === undefined) throw new Error(`${instance.id} has no node ${index}, only 1 to ${instance.nodes.length}`)
    return node
  })
}

/** What runs for these nodes now, without what the instance shares (epmd). */
const processesOf = (instance: Instance, indexes?: readonly number[]): FoundProcess[] =>
  chosen(instance, indexes)
    .flatMap((node) => findProcesses(instance, node.index))
    .filter(({ name }) => !kindOf(instance).survivors?.includes(name))

/** Starts the nodes that do not run, all at once (the nodes of a cluster wait for each other), and waits until they answer. */
export const startNodes = async (instance: Instance, indexes?: readonly number[]): Promise<void> => {
  const down = chosen(instance, indexes).filter((node) => processesOf(instance, [node.index]).length === 0)
  const kind = kindOf(instance)
  const launched = down.map((node) => ({ node, process: launch(kind, instance, node) }))
  await Promise.all(launched.map(({ node, process }) => waitUntilAnswering(instance, node, process)))
}

const startDeadlineMs = 180_000

const waitUntilAnswering = async (instance: Instance, node: InstanceNode, process: Launched): Promise<void> => {
  const deadline = Date.now() + startDeadlineMs
  while (!(await kindOf(instance).answers(instance, node, process.consoleText()))) {
    if (process.hasEnded()) throw failedStart(instance, node, process, 'ended')
    if (Date.now() > deadline) throw failedStart(instance, node, process, `did not answer in ${startDeadlineMs} ms`)
    await sleep(100)
  }
}

const failedStart = (instance: Instance, node: InstanceNode, process: Launched, what: string): Error => {
  const said = process.consoleText().trim().split('\n').slice(-15).join('\n')
  return new Error(`node ${node.index} of ${instance.target.name} ${what}; it printed:\n${said}`)
}

/** kill -9 of everything that runs for these nodes; the data and the ports stay for `startNodes`. */
export const killNodes = async (instance: Instance, indexes?: readonly number[]): Promise<void> => {
  for (;;) {
    const processes = processesOf(instance, indexes)
    if (processes.length === 0) return
    signalAll(processes, 'SIGKILL')
    await sleep(20)
  }
}

const stopDeadlineMs = 60_000
const pauseDeadlineMs = 5_000

/** SIGTERM, as an operator stops a server; kill -9 of what is still there after a minute. */
export const stopNodes = async (instance: Instance, indexes?: readonly number[]): Promise<void> => {
  const deadline = Date.now() + stopDeadlineMs
  signalAll(processesOf(instance, indexes), 'SIGTERM')
  while (Date.now() < deadline) {
    if (processesOf(instance, indexes).length === 0) return
    await sleep(50)
  }
  await killNodes(instance, indexes)
}

/** Lets them go on that were paused. */
export const resumeNodes = (instance: Instance, indexes?: readonly number[]): void =>
  signalAll(processesOf(instance, indexes), 'SIGCONT')

/**
 * Stops the nodes from running (SIGSTOP): their connections stay open. Resolves when all of their threads stand still: on a
 * busy machine one of them may still answer after the signal.
 */
export const pauseNodes = async (instance: Instance, indexes?: readonly number[]): Promise<void> => {
  const processes = processesOf(instance, indexes)
  signalAll(processes, 'SIGSTOP')
  const deadline = Date.now() + pauseDeadlineMs
  while (Date.now() < deadline && processes.some(({ pid }) => !standsStill(pid))) await sleep(5)
}

const standsStill = (pid: number): boolean => {
  const tasks = `/proc/${pid}/task`
  try {
    return readdirSync(tasks).every((id) => /\) [TtZX] /.test(readFileSync(`${tasks}/${id}/stat`, 'utf8')))
  } catch {
    return true // It ends, or there is nothing to look at.
  }
}
