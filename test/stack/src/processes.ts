import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { sep } from 'node:path'

/** A pid alone may have been given to another process since; together with its start time it is unique. */
export interface ProcessIdentity {
  readonly pid: number
  readonly startTime: string
}

/** Variables in the environment of everything that an instance starts: they are how its processes are found again. */
export const instanceVariable = 'POSTHORN_STACK_INSTANCE'
export const nodeVariable = 'POSTHORN_STACK_NODE'

export interface FoundProcess {
  readonly pid: number
  readonly name: string
}

export interface ProcessOwner {
  readonly id: string
  readonly folder: string
}

const readProc = (pid: number | string, file: string): string => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch {
    return '' // it has ended meanwhile, or it is not ours to look at
  }
}

const startTimeOf = (pid: number): string => {
  // Field 22, counted behind the name, which is in parentheses and may contain anything.
  const stat = readProc(pid, 'stat')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}

export const currentProcess = (): ProcessIdentity => ({ pid: process.pid, startTime: startTimeOf(process.pid) })

export const isSameProcess = ({ pid, startTime }: ProcessIdentity): boolean =>
  startTimeOf(pid) === startTime && startTime !== ''

/** The live processes of an instance, or of one of its nodes. */
export const findProcesses = (owner: ProcessOwner, node?: number): FoundProcess[] =>
  readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => isMarked(pid, owner.id, node) || isPostgresOf(pid, owner.folder))
    .map((pid) => ({ pid: Number(pid), name: readProc(pid, 'comm').trim() }))

const isMarked = (pid: string, id: string, node: number | undefined): boolean => {
  const variables = readProc(pid, 'environ').split('\0')
  return (
    variables.includes(`${instanceVariable}=${id}`) &&
    (node === undefined || variables.includes(`${nodeVariable}=${node}`))
  )
}

// PostgreSQL writes its process titles over its environment, but all its processes work in the data folder.
const isPostgresOf = (pid: string, folder: string): boolean => {
  if (readProc(pid, 'comm').trim() !== 'postgres') return false
  try {
    return readlinkSync(`/proc/${pid}/cwd`).startsWith(folder + sep)
  } catch {
    return false
  }
}

/** Signals each of them; one that has ended meanwhile is fine. */
export const signalAll = (processes: readonly FoundProcess[], signal: NodeJS.Signals): void => {
  for (const { pid } of processes) {
    try {
      process.kill(pid, signal)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}
