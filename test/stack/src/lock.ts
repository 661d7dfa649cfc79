import { closeSync, openSync } from 'node:fs'
import { spawn } from 'node:child_process'

/** Held for as long as any process has the file open: a builder that is handed `fd` keeps it even when we are killed. */
export interface Lock {
  readonly fd: number
}

/**
 * Runs `work` while no other process holds the lock on `file`. `flock` locks the open file description that we share with
 * it, so the lock outlives that command, and the kernel frees it however we end: there are no stale locks to guess about.
 */
export const withLock = async <T>(file: string, work: (lock: Lock) => Promise<T>, onWait?: () => void): Promise<T> => {
  const fd = openSync(file, 'a', 0o600)
  const waiting = setTimeout(() => onWait?.(), 1000)
  try {
    await flock(fd)
    clearTimeout(waiting)
    return await work({ fd })
  } finally {
    clearTimeout(waiting)
    closeSync(fd)
  }
}

const flock = (fd: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawn('flock', ['--exclusive', '3'], { stdio: ['ignore', 'ignore', 'inherit', fd] })
    child.on('error', reject)
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`flock ended with code ${code}`))))
  })
