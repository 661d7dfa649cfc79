import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { withLock } from '../src/lock.js'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'posthorn-lock-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('a lock', () => {
  it('lets one at a time in, also within a process, and goes on after an error', async () => {
    const file = join(folder, 'lock')
    let inside = 0
    let most = 0
    const work = async (): Promise<void> => {
      most = Math.max(most, ++inside)
      await sleep(10)
      inside--
      throw new Error('fails')
    }
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => withLock(file, work)))
    expect(results.map(({ status }) => status)).toEqual(Array(5).fill('rejected'))
    expect(most).toBe(1)
  })

  it('is free again when its holder is killed', async () => {
    const file = join(folder, 'lock')
    // exec: the shell's sleep must not outlive it with the file open.
    const holder = spawn('flock', [file, '-c', 'echo held; exec sleep 1000'], { detached: true })
    await once(holder.stdout, 'data')
    const waited: boolean[] = []
    const entered = withLock(file, async () => waited.push(true))
    await sleep(50)
    expect(waited).toEqual([])
    process.kill(-(holder.pid as number), 'SIGKILL')
    await entered
  })

  it('stays with a builder that outlives us while it is handed the descriptor', async () => {
    const file = join(folder, 'lock')
    let builder: ReturnType<typeof spawn> | undefined
    await withLock(file, async ({ fd }) => {
      builder = spawn('sleep', ['1000'], { stdio: ['ignore', 'ignore', 'ignore', fd] })
      await once(builder, 'spawn')
    })
    let entered = false
    const next = withLock(file, async () => {
      entered = true
    })
    await sleep(100)
    expect(entered).toBe(false)
    builder?.kill('SIGKILL')
    await next
  })
})
