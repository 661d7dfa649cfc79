import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { aptUpdate, releaseName } from './debian.js'
import { cacheFolder } from './folders.js'
import { installOnce, type Installed } from './install.js'
import type { Progress } from './progress.js'
import { hasProgram, runOk } from './run.js'

const versionFile = 'posthorn-version'

/**
 * The files of a Debian package and of what it needs and this machine does not have, unpacked into the cache. Nothing is installed: a
 * package with a server would start a service of its own, and needs root.
 */
export const installDebianPackage = async (name: string, progress: Progress): Promise<Installed> => {
  if (!(await hasProgram('apt-get'))) throw new Error(`${name} comes from Debian's packages, and there is no apt-get`)
  const path = join(cacheFolder(), `${name}-${releaseName()}`)
  await installOnce(path, progress, async (building, lockFd) => {
    progress(`unpacking Debian's ${name} (once, about 5 s)`)
    const archives = `${building}.archives`
    await download(name, archives, { holdFd: lockFd })
    const files = readdirSync(archives).filter((file) => file.endsWith('.deb'))
    mkdirSync(building)
    for (const file of files) await runOk('dpkg-deb', ['--extract', join(archives, file), building])
    const main = files.find((file) => file.startsWith(`${name}_`))
    if (main === undefined) throw new Error(`apt-get gave ${files.join(', ')} for ${name}`)
    const version = await runOk('dpkg-deb', ['--field', join(archives, main), 'Version'])
    writeFileSync(join(building, versionFile), version)
    rmSync(archives, { recursive: true })
    renameSync(building, path)
  })
  // Epoch and Debian's own revision are left out.
  const version = readFileSync(join(path, versionFile), 'utf8').trim()
  return { path, version: version.replace(/^\d+:/, '').replace(/-[^-]*$/, '') }
}

const download = async (name: string, archives: string, options: { holdFd: number }): Promise<void> => {
  rmSync(archives, { recursive: true, force: true })
  mkdirSync(join(archives, 'partial'), { recursive: true })
  // The lock on the system's packages is not needed: they stay what they are.
  const elsewhere = ['-o', `Dir::Cache::archives=${archives}/`, '-o', 'Debug::NoLocking=1']
  const install = ['install', '-q', '-y', '--no-install-recommends', '--reinstall', '--download-only']
  const get = (): Promise<string> => runOk('apt-get', [...install, ...elsewhere, name], options)
  try {
    await get()
  } catch {
    // Lists that are missing, or older than the mirror.
    await aptUpdate(options)
    await get()
  }
}

/** Where its programs find the libraries that came with it. */
export const debianLibraries = (root: string): Record<string, string> => {
  const libraries = join(root, 'usr/lib')
  const names = existsSync(libraries) ? readdirSync(libraries).filter((name) => name.endsWith('-linux-gnu')) : []
  return names.length === 0 ? {} : { LD_LIBRARY_PATH: names.map((name) => join(libraries, name)).join(':') }
}
