import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Summary } from './report.js'

/** `npm run faults`, running. */
export interface FaultsCommand {
  readonly process: ChildProcess
  readonly stdout: string
  readonly stderr: string
  /** Its exit code; undefined when a signal ended it. */
  readonly ended: Promise<number | undefined>
}

const script = fileURLToPath(new URL('../dist/faults/main.js', import.meta.url))

/** Starts the built command, as `npm run faults` does. */
export function startFaults(...args: readonly string[]): FaultsCommand {
  if (!existsSync(script)) throw new Error('The fault runner is not built: npm run build')
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
  const ended = new Promise<number | undefined>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve(code ?? undefined))
  })
  return {
    process: child,
    ended,
    get stdout() {
      return output.stdout
    },
    get stderr() {
      return output.stderr
    },
  }
}

/** The summary that a run with `--json` ends with; what it said meanwhile when there is none. */
export function summaryOf({ stdout, stderr }: FaultsCommand): Summary {
  const last = stdout.trimEnd().split('\n').at(-1)
  if (last === undefined || last === '') throw new Error(`The run has no summary:\n${stderr}`)
  return JSON.parse(last) as Summary
}

/** Where a run keeps its ledgers, as it says. */
export function folderOf({ stderr }: FaultsCommand): string | undefined {
  return /ledgers in (.+)$/m.exec(stderr)?.[1]
}
