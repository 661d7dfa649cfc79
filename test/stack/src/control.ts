import { existsSync, readFileSync } from 'node:fs'
import type { Instance, InstanceNode } from './instances.js'
import { killNodes, pauseNodes, resumeNodes, startNodes, stopNodes } from './lifecycle.js'
import { consoleFile } from './server.js'

/** Faults for the nodes of an instance. `node` counts from 1; without it, all of them. */
export interface NodeControl {
  /** kill -9; resolves when the processes are gone. Data and ports stay for `start`. */
  kill(node?: number): Promise<void>
  /** Asks the processes to end (SIGTERM); resolves when they are gone. One that takes too long is killed. */
  stop(node?: number): Promise<void>
  /** Starts what does not run and resolves when it answers its clients. */
  start(node?: number): Promise<void>
  /** `kill` and `start`. */
  restart(node?: number): Promise<void>
  /** SIGSTOP: the connections stay open, nothing answers. */
  pause(node?: number): Promise<void>
  /** SIGCONT. */
  resume(node?: number): Promise<void>
  /** What the node has printed so far: its log. */
  log(node?: number): string
}

export const control = (instance: Instance): NodeControl => {
  const chosen = (node: number | undefined): number[] | undefined => {
    if (!existsSync(instance.folder)) throw new Error(`${instance.id} has been released`)
    return node === undefined ? undefined : [node]
  }
  const kill = async (node?: number): Promise<void> => killNodes(instance, chosen(node))
  const start = async (node?: number): Promise<void> => startNodes(instance, chosen(node))
  return {
    kill,
    stop: async (node) => stopNodes(instance, chosen(node)),
    start,
    restart: async (node) => {
      await kill(node)
      await start(node)
    },
    pause: async (node) => pauseNodes(instance, chosen(node)),
    resume: async (node) => resumeNodes(instance, chosen(node)),
    log: (node) =>
      instance.nodes
        .filter(({ index }) => node === undefined || index === node)
        .map((it: InstanceNode) => readFileSync(consoleFile(instance, it), 'utf8'))
        .join('\n'),
  }
}
