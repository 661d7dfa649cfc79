import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Crashes } from '../../src/demo/chaos.js'
import type { DatabaseCounts } from '../../src/demo/reconciliation.js'

/** What a demo printed and how it ended. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const command = fileURLToPath(new URL('../../dist/demo.js', import.meta.url))

/** Starts the built demo; a build must have been made. */
export function startDemo(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcessWithoutNullStreams {
  if (!existsSync(command)) throw new Error('examples/shop is not built: npm run build')
  return spawn(process.execPath, [command, ...args], { env: { ...process.env, NO_COLOR: '1', ...env } })
}

/** Waits for the end of a demo that was given this on standard input. */
export async function ended(child: ChildProcessWithoutNullStreams, stdin?: string | Buffer): Promise<Ended> {
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  if (stdin !== undefined) child.stdin.end(stdin)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  return { code, stdout, stderr }
}

/** What `--json` promises. */
export interface DemoJson {
  readonly transport: string
  readonly read: number
  readonly published: number
  readonly rejected: readonly { readonly line: number; readonly code: string; readonly message: string }[]
  readonly handled: number
  readonly retried: number
  readonly deadLettered: number
  readonly lost: number
  readonly durationMs: number
  readonly database: DatabaseCounts
  readonly crashes?: Crashes
}
