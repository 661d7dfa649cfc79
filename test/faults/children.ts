import { fork, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ChildConfig, Report, Request, Role } from './childLink.js'
import type { ProcessSample } from './invariants.js'

/** One place in a run; the process in it may be ended and started again. */
export interface Child {
  readonly role: Role
  readonly index: number
  /** Of the process that is in it now. */
  readonly name: string
  readonly first: ProcessSample | undefined
  /** Starts a process; resolves when its service runs, which may wait for the broker. */
  start(): Promise<void>
  send(request: Request): void
  /** What the process holds now; undefined when it does not say. */
  sample(): Promise<ProcessSample | undefined>
  /** Publishes nothing more; resolves when every publish has settled. */
  pause(): Promise<void>
  /** kill -9; resolves when it is gone. */
  kill(): Promise<void>
  /** SIGTERM; resolves with whether it ended in time. One that did not is killed. */
  terminate(): Promise<boolean>
  /** SIGSTOP; goes on by itself after `atMostMs`, also when the runner is gone by then. */
  suspend(atMostMs: number): void
  resume(): void
  /** A process that ends by itself is started again, for as long as this is on; otherwise that ends the run. */
  revive(on: boolean): void
}

export interface ChildrenOptions {
  readonly folder: string
  /** Everything but the names. */
  readonly configOf: (role: Role, index: number) => Omit<ChildConfig, 'role' | 'name' | 'ledgerFile'>
  readonly onUnconfirmed: (count: number) => void
  /** A process ended that nobody ended. */
  readonly onDeath: (name: string) => void
}

/** A stop has a deadline of ten seconds. */
const terminateMs = 15_000
const script = fileURLToPath(new URL('child.js', import.meta.url))

export function createChild(role: Role, index: number, options: ChildrenOptions): Child {
  let starts = 0
  let name = ''
  let child: ChildProcess | undefined
  let first: ProcessSample | undefined
  let revives = false

  async function end(signal: 'SIGKILL' | 'SIGTERM'): Promise<boolean> {
    const ending = child
    child = undefined
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return true
    const exited = once(ending, 'exit')
    ending.kill(signal)
    const killer = setTimeout(() => ending.kill('SIGKILL'), terminateMs)
    await exited
    clearTimeout(killer)
    return signal === 'SIGKILL' || ending.exitCode === 0
  }

  function ask<Type extends Report['type']>(
    request: Request,
    type: Type,
    timeoutMs: number,
  ): Promise<Extract<Report, { type: Type }> | undefined> {
    const asked = child
    if (asked === undefined) return Promise.resolve(undefined)
    return new Promise((resolve) => {
      const finish = (report: Extract<Report, { type: Type }> | undefined): void => {
        clearTimeout(timer)
        asked.off('message', listen)
        asked.off('exit', gone)
        resolve(report)
      }
      const listen = (report: Report): void => {
        if (report.type === type) finish(report as Extract<Report, { type: Type }>)
      }
      const gone = (): void => finish(undefined)
      const timer = setTimeout(gone, timeoutMs)
      asked.on('message', listen)
      asked.on('exit', gone)
      asked.send(request, () => {}) // An error means that it is gone.
    })
  }

  async function start(): Promise<void> {
    name = `${role}-${index}.${starts}`
    starts += 1
    first = undefined
    const log = openSync(join(options.folder, `${name}.log`), 'a')
    const config: ChildConfig = {
      ...options.configOf(role, index),
      role,
      name,
      ledgerFile: join(options.folder, `${name}.ledger`),
    }
    const started = fork(script, [JSON.stringify(config)], {
      stdio: ['ignore', log, log, 'ipc'],
      env: { ...process.env, LOG_LEVEL: process.env['LOG_LEVEL'] ?? 'warn' },
    })
    closeSync(log)
    child = started
    started.on('exit', () => {
      if (child !== started) return
      if (revives) void start()
      else options.onDeath(name)
    })
    await new Promise<void>((resolve) => {
      started.on('exit', () => resolve())
      started.on('message', (report: Report) => {
        if (report.type === 'unconfirmed') options.onUnconfirmed(report.count)
        if (report.type !== 'ready') return
        first = report.sample
        resolve()
      })
    })
  }

  return {
    role,
    index,
    get name() {
      return name
    },
    get first() {
      return first
    },
    start,
    send: (request) => void child?.send(request, () => {}),
    sample: async () => (await ask({ type: 'sample' }, 'sample', 5_000))?.sample,
    pause: async () => void (await ask({ type: 'pause' }, 'paused', 30_000)),
    kill: async () => void (await end('SIGKILL')),
    terminate: () => end('SIGTERM'),
    suspend(atMostMs) {
      const pid = child?.pid
      if (pid === undefined) return
      child?.kill('SIGSTOP')
      const wake = `sleep ${Math.ceil(atMostMs / 1_000)}; kill -CONT ${pid} 2>/dev/null`
      spawn('sh', ['-c', wake], { detached: true, stdio: 'ignore' }).unref()
    },
    resume: () => void child?.kill('SIGCONT'),
    revive: (on) => void (revives = on),
  }
}
