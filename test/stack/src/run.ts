import { spawn } from 'node:child_process'

export interface RunOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  readonly input?: string
  readonly timeoutMs?: number
  /** A file descriptor that the command inherits as its number 3: a lock, see `lock.ts`. */
  readonly holdFd?: number
}

export interface RunResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command to its end and collects what it prints; a code other than 0 is a result, not an error. */
export const run = (command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ['pipe', 'pipe', 'pipe', ...(options.holdFd === undefined ? [] : [options.holdFd])],
    })
    const out: Buffer[] = []
    const err: Buffer[] = []
    let timedOut = false
    const timer =
      options.timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            timedOut = true
            child.kill('SIGKILL')
          }, options.timeoutMs)
    child.stdout?.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr?.on('data', (chunk: Buffer) => err.push(chunk))
    // A command that ends without reading its input closes the pipe under us; its exit code says what happened.
    child.stdin?.on('error', () => {})
    child.stdin?.end(options.input ?? '')
    child.on('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    child.on('close', (code) => {
      clearTimeout(timer)
      const stderr = Buffer.concat(err).toString() + (timedOut ? `\nended after ${options.timeoutMs} ms\n` : '')
      resolve({ code: code ?? 1, stdout: Buffer.concat(out).toString(), stderr })
    })
  })

/** The same for a command that has to succeed: throws with the last lines that it printed. */
export const runOk = async (command: string, args: readonly string[], options: RunOptions = {}): Promise<string> => {
  const result = await run(command, args, options)
  if (result.code === 0) return result.stdout
  const said = `${result.stdout}\n${result.stderr}`.trim().split('\n').slice(-12).join('\n')
  throw new Error(`${command} ${args.slice(0, 3).join(' ')} … failed with code ${result.code}:\n${said}`)
}

/** Whether a program is there, without running it. */
export const hasProgram = async (name: string): Promise<boolean> =>
  (await run('sh', ['-c', 'command -v "$1"', 'sh', name])).code === 0
