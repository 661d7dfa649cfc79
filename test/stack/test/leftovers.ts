import { existsSync, readFileSync } from 'node:fs'
import { readInstances, type Instance } from '../src/instances.js'
import { isReachable, onLoopback } from '../src/probes.js'
import { findProcesses } from '../src/processes.js'

/** The instance behind an address that `acquire…` gave. */
export const instanceAt = (address: string): Instance => {
  const port = Number(/:(\d+)(\/|$)/.exec(address)?.[1])
  const instance = readInstances().find(({ nodes }) => nodes.some(({ ports }) => Object.values(ports).includes(port)))
  if (instance === undefined) throw new Error(`no instance has the port ${port}`)
  return instance
}

/** System V shared memory that nobody is attached to any more: what a killed PostgreSQL leaves. */
export const orphanedMemory = (): number =>
  readFileSync('/proc/sysvipc/shm', 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .filter((line) => line.trim().split(/\s+/)[6] === '0').length

const mounts = (): string[] =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes('posthorn'))

/** Everything that is still there of an instance, in words; empty when it is gone. */
export const leftoversOf = async (instance: Instance): Promise<string[]> => {
  const ports = [instance, ...instance.nodes].flatMap((it) => Object.values(it.ports))
  const open = await Promise.all(
    ports.map(async (port) => ((await isReachable(onLoopback(port))) ? [`port ${port}`] : [])),
  )
  return [
    ...findProcesses(instance).map(({ pid, name }) => `process ${pid} ${name}`),
    ...(existsSync(instance.folder) ? [`folder ${instance.folder}`] : []),
    ...mounts().map((line) => `mount ${line}`),
    ...open.flat(),
  ]
}
