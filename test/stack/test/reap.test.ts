import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { findProcesses, instanceVariable, nodeVariable, signalAll } from '../src/processes.js'
import { reap, watch } from '../src/reap.js'

const children: ChildProcess[] = []
const folders: string[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** A process as an instance starts it: in a group of its own, with the marks in its environment. */
const start = async (id: string, node = 1): Promise<ChildProcess> => {
  const env = { PATH: process.env['PATH'], [instanceVariable]: id, [nodeVariable]: String(node) }
  const child = spawn('sleep', ['1000'], { env, detached: true, stdio: 'ignore' })
  children.push(child)
  await once(child, 'spawn')
  return child
}

const newFolder = (): { id: string; folder: string } => {
  const parent = mkdtempSync(join(tmpdir(), 'posthorn-reap-'))
  folders.push(parent)
  const folder = join(parent, 'instance')
  mkdirSync(folder)
  return { id: `test-${process.pid}-${Math.random()}`, folder }
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null

describe('the end of an instance', () => {
  it('takes its processes and its folder, and nobody else', async () => {
    const instance = newFolder()
    const [own, stopped, other] = [await start(instance.id), await start(instance.id, 2), await start('somebody-else')]
    stopped.kill('SIGSTOP')
    const ended = Promise.all([once(own, 'exit'), once(stopped, 'exit')])
    await reap(instance)
    await ended
    expect(hasEnded(other)).toBe(false)
    expect(existsSync(instance.folder)).toBe(false)
  })

  it('comes with the release of its watchdog, and can be asked for twice', async () => {
    const instance = newFolder()
    const child = await start(instance.id)
    const watchdog = watch(instance)
    await watchdog.release()
    await watchdog.release()
    expect(findProcesses(instance)).toEqual([])
    expect(existsSync(instance.folder)).toBe(false)
    await vi.waitFor(() => expect(hasEnded(child)).toBe(true))
  })

  it('does not come when the watchdog is told to keep it', async () => {
    const instance = newFolder()
    const child = await start(instance.id)
    await watch(instance).keep()
    expect(hasEnded(child)).toBe(false)
    expect(existsSync(instance.folder)).toBe(true)
    await reap(instance)
  })
})

describe('the processes of an instance', () => {
  it('are found by instance and by node', async () => {
    const instance = newFolder()
    const [one, two] = [await start(instance.id, 1), await start(instance.id, 2)]
    const pids = findProcesses(instance).map(({ pid }) => pid)
    expect(new Set(pids)).toEqual(new Set([one.pid, two.pid]))
    expect(findProcesses(instance, 2)).toEqual([{ pid: two.pid, name: 'sleep' }])
    signalAll(findProcesses(instance), 'SIGKILL')
    await reap(instance)
  })
})
