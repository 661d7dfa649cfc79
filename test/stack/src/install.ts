import { existsSync, rmSync } from 'node:fs'
import { withLock } from './lock.js'
import type { Progress } from './progress.js'

/** Something to run servers from: a chroot, a folder of jars, the programs of an npm package. */
export interface Installed {
  readonly path: string
  readonly version: string
}

/**
 * Makes `path` once, whoever asks first. `build` works under another name and renames at the end, so `path` is complete
 * or not there; what a killed builder left is removed here, and a builder that outlives us still holds the lock.
 */
export const installOnce = async (
  path: string,
  progress: Progress,
  build: (building: string, lockFd: number) => Promise<void>,
): Promise<void> => {
  if (existsSync(path)) return
  const work = async ({ fd }: { fd: number }): Promise<void> => {
    if (existsSync(path)) return
    const building = `${path}.building`
    rmSync(building, { recursive: true, force: true })
    await build(building, fd)
  }
  await withLock(`${path}.lock`, work, () => progress('waiting for another process that installs it'))
}

/** Mirrors and registries fail now and then; what fails every time has a reason. */
export const retry = async <T>(times: number, work: () => Promise<T>): Promise<T> => {
  for (let tried = 1; ; tried++) {
    try {
      return await work()
    } catch (error) {
      if (tried >= times) throw error
    }
  }
}
