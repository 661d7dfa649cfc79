import { execFileSync } from 'node:child_process'
import { renameSync } from 'node:fs'
import { join } from 'node:path'
import { aptInstall, isDebianRoot } from '../stack/src/debian.js'
import { cacheFolder } from '../stack/src/folders.js'
import { installOnce, retry } from '../stack/src/install.js'
import type { Progress } from '../stack/src/progress.js'
import { run, runOk } from '../stack/src/run.js'

/** The version that the tests run with, and the docs name. */
export const pikaVersion = '1.4.4'

const progress: Progress = (step) => void process.stderr.write(`pika ${step}\n`)

/** The Python of a virtual environment with pika, made once in our cache. */
export async function pythonWithPika(): Promise<string> {
  const folder = join(cacheFolder(), `pika-${pikaVersion}`)
  await installOnce(folder, progress, async (building, holdFd) => {
    progress(`${pikaVersion} is installed (once)`)
    await makeEnvironment(building)
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', `pika==${pikaVersion}`]
    await retry(3, () => runOk(join(building, 'bin', 'python'), pip, { holdFd, timeoutMs: 120_000 }))
    renameSync(building, folder) // Only the scripts beside its Python know the old name, and nobody calls them.
  })
  const python = join(folder, 'bin', 'python')
  execFileSync(python, ['-c', 'import pika'])
  return python
}

/** Debian keeps what `venv` needs in a package of its own. */
async function makeEnvironment(folder: string): Promise<void> {
  const make = ['-m', 'venv', '--clear', folder]
  const made = await run('python3', make).catch(() => ({ code: 1 }))
  if (made.code === 0) return
  if (isDebianRoot()) await aptInstall(['python3', 'python3-venv'], progress)
  await runOk('python3', make)
}
