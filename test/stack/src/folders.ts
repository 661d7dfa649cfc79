import { mkdirSync, statSync } from 'node:fs'
import { homedir, tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'

/** Where chroots and jars are kept between runs: expensive to make, safe to delete while nothing runs. */
export const cacheFolder = (): string => {
  const base = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
  const folder = join(base, 'posthorn-stack')
  mkdirSync(folder, { recursive: true })
  return folder
}

/**
 * One sub-folder per running instance, which is all the state there is. Others may pass through (the servers run as other
 * users) but not list it, and a folder that somebody else laid there beforehand is refused.
 */
export const stateFolder = (): string => {
  const { uid } = userInfo()
  const folder = join(tmpdir(), `posthorn-stack-${uid}`)
  mkdirSync(folder, { recursive: true, mode: 0o711 })
  if (statSync(folder).uid !== uid) throw new Error(`${folder} belongs to another user: set TMPDIR to another folder`)
  return folder
}
