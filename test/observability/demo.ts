import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { root } from '../docs/markdown.js'

const command = join(root, 'examples/shop/dist/demo.js')

const stopMs = 30_000

/** The services of the demo, in the order of their ports. */
const services = ['users', 'orders', 'payments', 'relay', 'auditor'] as const

/** A demo that goes on until it is stopped. */
export interface RunningDemo {
  /** As Prometheus wants them: each service is a job. */
  readonly targets: readonly {
    readonly targets: readonly string[]
    readonly labels: Readonly<Record<string, string>>
  }[]
  /** What it printed on standard error. */
  said(): string
  /** Ends it as Ctrl-C does, so that it drops its tables; at once when that takes too long. */
  stop(): Promise<void>
}

/** Starts the built demo with metrics on free ports; rejects when it ends before they answer. */
export async function startDemo(...options: readonly string[]): Promise<RunningDemo> {
  if (!existsSync(command)) throw new Error('examples/shop is not built: npm run build')
  const port = await freePorts(services.length)
  const args = ['--minutes', '10', '--metrics-port', String(port), ...options]
  const child = spawn(process.execPath, [command, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  const stop = (): Promise<void> => end(child)
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null
  while (!(await answers(port))) {
    if (hasEnded()) throw new Error(`The demo ended with ${child.exitCode}: ${said}`)
  }
  const targets = services.map((job, at) => ({ targets: [`127.0.0.1:${port + at}`], labels: { job } }))
  return { targets, said: () => said, stop }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGINT')
  const patience = setTimeout(() => child.kill('SIGKILL'), stopMs)
  await ended
  clearTimeout(patience)
}

async function answers(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/metrics`)).ok
  } catch {
    await new Promise((resolve) => setTimeout(resolve, 100))
    return false
  }
}

/** The first of so many ports in a row on which nobody listens. */
async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = 20_000 + Math.floor(Math.random() * 10_000)
    const free = await Promise.all(Array.from({ length: count }, (_, at) => isFree(first + at)))
    if (free.every(Boolean)) return first
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1' }, () => server.close(() => resolve(true)))
  })
}
