import { chmodSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { aptInstall, debianMirror, isDebianRoot } from './debian.js'
import { cacheFolder } from './folders.js'
import { installOnce, retry, type Installed } from './install.js'
import type { Progress } from './progress.js'
import { hasProgram, run, runOk } from './run.js'
import type { RabbitMqVersion } from './targets.js'

// Debian's releases carry one RabbitMQ each. forky is still moving: its chroot is built once and kept.
const suites: Readonly<Record<RabbitMqVersion, string>> = { '3.10': 'bookworm', '4.0': 'trixie', '4.3': 'forky' }

/**
 * A root file system with RabbitMQ in it, from the cache or built now. A chroot also for the version that the machine's own
 * release carries: installed as a package it would start a service of its own.
 * When 4.3 cannot be built, says so and gives 4.0; the version in the answer is the one that is there.
 */
export const installRabbitMq = async (version: RabbitMqVersion, progress: Progress): Promise<Installed> => {
  await checkMachine()
  try {
    return await installSuite(suites[version], progress)
  } catch (error) {
    if (version !== '4.3') throw error
    progress(`RabbitMQ 4.3 cannot be built, using 4.0 instead: ${(error as Error).message}`)
    return installSuite(suites['4.0'], progress)
  }
}

const hint = 'set POSTHORN_RABBITMQ_URL to a running server, or run "docker compose up -d"'

const checkMachine = async (): Promise<void> => {
  if (!isDebianRoot()) throw new Error(`RabbitMQ can only be set up on Debian as root: ${hint}`)
  if ((await run('unshare', ['--mount', 'true'])).code !== 0) {
    throw new Error(`RabbitMQ needs a mount namespace, which this container does not allow: ${hint}`)
  }
}

const installSuite = async (suite: string, progress: Progress): Promise<Installed> => {
  const path = join(cacheFolder(), `rabbitmq-${suite}`)
  await installOnce(path, progress, async (building, lockFd) => {
    const mirror = debianMirror()
    if (!(await hasProgram('mmdebstrap'))) await aptInstall(['mmdebstrap'], progress)
    progress(`installing RabbitMQ from Debian ${suite} (once, about 40 s and 250 MB)`)
    await bootstrap({ suite, building, mirror, lockFd })
    renameSync(building, path)
  })
  const folder = readdirSync(join(path, 'usr/lib/rabbitmq/lib')).find((name) => name.startsWith('rabbitmq_server-'))
  if (folder === undefined) throw new Error(`${path} has no RabbitMQ in it: delete it and try again`)
  return { path, version: folder.slice('rabbitmq_server-'.length) }
}

interface Bootstrap {
  readonly suite: string
  readonly building: string
  readonly mirror: string
  readonly lockFd: number
}

const bootstrap = async ({ suite, building, mirror, lockFd }: Bootstrap): Promise<void> => {
  // An archived release keeps its old dates.
  const options = ['--quiet', '--variant=minbase', '--aptopt=Acquire::Check-Valid-Until "false"']
  const args = [...options, '--include=rabbitmq-server', suite, building, mirror]
  await retry(2, () => {
    rmSync(building, { recursive: true, force: true })
    return runOk('mmdebstrap', args, { holdFd: lockFd, timeoutMs: 600_000 })
  })
  // Without it the node hangs looking for 'localhost'.
  writeFileSync(join(building, 'etc/hosts'), '127.0.0.1 localhost\n')
  // Where an instance's folder appears inside, see `rabbitMqServer.ts`.
  mkdirSync(join(building, 'posthorn'))
  chmodSync(building, 0o755)
}
