import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder } from '../stack/src/folders.js'
import { installOnce, retry } from '../stack/src/install.js'
import { runOk } from '../stack/src/run.js'

/** What is installed, and where. */
export interface PackagesToInstall {
  /** Of the folder in our cache; another one for other versions. */
  readonly name: string
  /** With their versions, as npm takes them. */
  readonly packages: readonly string[]
  /** What else has to be done in the folder, before anybody sees it. */
  readonly finish?: (folder: string, holdFd: number) => Promise<void>
}

/** The folder of packages that one test needs and the repository does not depend on, installed once. */
export async function installPackages({ name, packages, finish }: PackagesToInstall): Promise<string> {
  const folder = join(cacheFolder(), name)
  const progress = (step: string): void => void process.stderr.write(`${name} ${step}\n`)
  await installOnce(folder, progress, async (building, holdFd) => {
    progress('is installed (once, about 30 s)')
    mkdirSync(building, { recursive: true })
    writeFileSync(join(building, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
    const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
    const install = ['install', ...options, ...packages]
    await retry(3, () => runOk('npm', install, { cwd: building, holdFd, timeoutMs: 300_000 }))
    await finish?.(building, holdFd)
    renameSync(building, folder)
  })
  return folder
}
