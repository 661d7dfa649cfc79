import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'

/** What one step of the test run came to. */
export interface StepResult {
  readonly passed: number
  readonly failed: number
  /** What failed, a line each; nothing where only a number is known. */
  readonly failures?: readonly string[]
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
      return code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1, failures: [name] }
    },
  }
}

/** How a part of the suite is run. */
export interface VitestStepOptions {
  readonly project: 'unit' | 'integration' | 'interop'
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
        return { passed: 0, failed: 1, failures: [`${name}: no report`] }
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    },
  }
}

/** Vitest's JSON report, as far as it is read here. */
interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numTodoTests: number
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message?: string
    readonly assertionResults: readonly {
      readonly fullName: string
      readonly status: string
      readonly failureMessages?: readonly string[]
    }[]
  }[]
}

/** Reads vitest's JSON report. An error outside of a test (a file that does not load) is one failure. */
function countTests(text: string, exitCode: number): StepResult {
  const report = JSON.parse(text) as Report
  const passed = report.numPassedTests
  const failed = report.numFailedTests + report.numPendingTests + report.numTodoTests
  const outsideTests = failed === 0 && (exitCode !== 0 || passed === 0) ? 1 : 0
  const failures = report.testResults.flatMap(({ name, status, message = '', assertionResults }) => {
    const file = relative('.', name)
    const tests = assertionResults.filter((test) => test.status !== 'passed')
    if (tests.length === 0) return status === 'passed' ? [] : [file, ...reasonLines(message)]
    return tests.flatMap(({ fullName, failureMessages = [] }) => [
      `${file} > ${fullName}`,
      ...failureMessages.flatMap(reasonLines),
    ])
  })
  return { passed, failed: failed + outsideTests, failures }
}

const maxReasonLines = 30
const maxReasonLength = 300

/** Why a test failed: the end of what it says, since a long run says what was wrong last, without the stack. */
function reasonLines(message: string): string[] {
  const lines = message.split('\n').filter((line) => line.trim() !== '' && !/^\s+at /.test(line))
  return lines.slice(-maxReasonLines).map((line) => `  | ${line.slice(0, maxReasonLength)}`)
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
