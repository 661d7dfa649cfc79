import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What one step of the test run came to. */
export interface StepResult {
  readonly passed: number
  readonly failed: number
}

/** Something to run, counted in tests. */
export interface Step {
  readonly name: string
  run(): Promise<StepResult>
}

/** A command that passes or fails as a whole. */
export function commandStep(name: string, command: readonly string[], env: NodeJS.ProcessEnv = {}): Step {
  return {
    name,
    async run() {
      const code = await spawnInherited(command, env)
      return code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 }
    },
  }
}

/** How a part of the suite is run. */
export interface VitestStepOptions {
  readonly project: 'unit' | 'integration'
  /** Only files whose path contains one of these. */
  readonly filters?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** @default the Node.js that runs this */
  readonly node?: string
}

/** Runs tests with vitest and counts them; a skipped test counts as failed, and so does a run without tests. */
export function vitestStep(name: string, options: VitestStepOptions): Step {
  return {
    name,
    async run() {
      const folder = mkdtempSync(join(tmpdir(), 'posthorn-test-'))
      const file = join(folder, 'result.json')
      const { project, filters = [], env = {}, node = process.execPath } = options
      const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
      const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--project', project, ...reporters, ...filters]
      const code = await spawnInherited([node, ...vitest], env)
      try {
        return countTests(readFileSync(file, 'utf8'), code)
      } catch {
        return { passed: 0, failed: 1 }
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    },
  }
}

/** Reads vitest's JSON report. An error outside of a test (a file that does not load) is one failure. */
export function countTests(report: string, exitCode: number): StepResult {
  const counts = JSON.parse(report) as {
    readonly numPassedTests: number
    readonly numFailedTests: number
    readonly numPendingTests: number
    readonly numTodoTests: number
  }
  const passed = counts.numPassedTests
  const failed = counts.numFailedTests + counts.numPendingTests + counts.numTodoTests
  const outsideTests = failed === 0 && (exitCode !== 0 || passed === 0) ? 1 : 0
  return { passed, failed: failed + outsideTests }
}

/** Runs a command with our own output; gives its exit code, 1 when it was killed or could not start. */
export function spawnInherited(command: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(command[0]!, command.slice(1), {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...env },
    })
    child.on('error', (error) => {
      process.stderr.write(`${command.join(' ')}: ${error.message}\n`)
      resolve(1)
    })
    child.on('exit', (code) => resolve(code ?? 1))
  })
}
