import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { pythonWithPika } from './installPika.js'

/** A message as pika sees it. */
export interface RawPikaMessage {
  readonly body: Buffer
  readonly contentType?: string | undefined
  /** `{ date }` is a Python date, given in seconds. */
  readonly headers?: Readonly<Record<string, unknown>>
}

export interface PikaPublication extends RawPikaMessage {
  readonly exchange: string
  readonly routingKey: string
}

export type PikaScript =
  'publish_event.py' | 'read_events.py' | 'publish_raw.py' | 'read_raw.py' | 'hello_send.py' | 'hello_receive.py'

/** A Python program that runs. */
export interface RunningScript {
  /** Resolves when it has printed so many lines. */
  printed(count: number): Promise<void>
  /** Its lines, once it has ended well; rejects with what it said otherwise. */
  readonly lines: Promise<readonly string[]>
}

/** Scripts that wait for a message which never comes are ended. */
const timeoutMs = 90_000

/** Starts one of the programs in the folder `pika`. */
export async function startScript(
  script: PikaScript,
  args: readonly string[],
  input: string = '',
): Promise<RunningScript> {
  const python = await pythonWithPika()
  const path = fileURLToPath(new URL(`pika/${script}`, import.meta.url))
  const child = spawn(python, [path, ...args], { stdio: ['pipe', 'pipe', 'pipe'], timeout: timeoutMs })
  let stdout = ''
  let stderr = ''
  const linesOf = (): string[] => stdout.split('\n').slice(0, -1)
  child.stdout.setEncoding('utf8').on('data', (text: string) => void (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => void (stderr += text))
  child.stdin.on('error', () => {}) // It ended without reading; its exit code says why.
  child.stdin.end(input)
  const lines = new Promise<readonly string[]>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (code === 0) resolve(linesOf())
      else reject(new Error(`${script} ended with ${code ?? signal}:\n${stderr}`))
    })
  })
  lines.catch(() => {}) // Whoever waits for it sees it.
  const printed = (count: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const check = (): void => void (linesOf().length >= count && resolve())
      child.stdout.on('data', check)
      lines.then(check, reject)
      check()
    })
  return { printed, lines }
}

/** Runs one of the programs to its end; gives the lines that it printed. */
export async function runScript(
  script: PikaScript,
  args: readonly string[],
  input: string = '',
): Promise<readonly string[]> {
  return (await startScript(script, args, input)).lines
}

/** Publishes messages with confirms; rejects when one was not taken or not routed. */
export async function pikaPublish(url: string, ...messages: readonly PikaPublication[]): Promise<void> {
  const lines = messages.map(({ body, ...rest }) => JSON.stringify({ ...rest, bodyBase64: body.toString('base64') }))
  await runScript('publish_raw.py', [url], `${lines.join('\n')}\n`)
}

/** Takes so many messages from a queue. */
export async function pikaRead(url: string, queue: string, count: number): Promise<readonly RawPikaMessage[]> {
  const lines = await runScript('read_raw.py', [url, queue, String(count)])
  return lines.map((line) => {
    const { bodyBase64, ...rest } = JSON.parse(line) as Omit<RawPikaMessage, 'body'> & { bodyBase64: string }
    return { ...rest, body: Buffer.from(bodyBase64, 'base64') }
  })
}
