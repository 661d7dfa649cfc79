import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { variableNames } from './environment.js'
import { isReachable, probeRabbitMq, type Address } from './probes.js'
import { run } from './run.js'
import type { KindName } from './targets.js'

/** A server that somebody else runs: we can talk to it, but not stop it. */
export interface FoundServer {
  readonly addresses: readonly string[]
  readonly version: string
}

/** What is looked for; a `version` that the server is known not to have rules it out. */
export interface Wanted {
  readonly kind: KindName
  readonly version: string | undefined
  readonly nodes: number
}

const unknown = 'unknown'

const fits = (wanted: Wanted, { addresses, version }: FoundServer): boolean =>
  addresses.length >= wanted.nodes &&
  (wanted.version === undefined || version === unknown || `${version}.`.startsWith(`${wanted.version}.`))

/** Host and port of `amqp://…`, `postgres://…` or `host:port`. */
export const addressOf = (kind: KindName, text: string): Address => {
  const defaults = { rabbitmq: text.startsWith('amqps:') ? 5671 : 5672, kafka: 9092, postgres: 5432 }
  const url = new URL(text.includes('://') ? text : `kafka://${text}`)
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || defaults[kind]) }
}

/** The server that a variable names. One that is named but not there is an error: the person who set it meant it. */
export const findInEnvironment = async (wanted: Wanted): Promise<FoundServer | undefined> => {
  const variable = variableNames[wanted.kind]
  const addresses = (process.env[variable] ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
  if (addresses.length === 0) return undefined
  const parsed = addresses.map((text) => addressOf(wanted.kind, text))
  const reached = await Promise.all(parsed.map(isReachable))
  const missing = parsed.filter((_, at) => !reached[at]).map(({ host, port }) => `${host}:${port}`)
  if (missing.length === addresses.length) {
    throw new Error(`${variable} names ${missing.join(', ')}, where nothing answers: start it, or unset the variable`)
  }
  const found = { addresses, version: await versionAt(wanted.kind, addresses) }
  return fits(wanted, found) ? found : undefined
}

const versionAt = async (kind: KindName, addresses: readonly string[]): Promise<string> => {
  const [first = ''] = addresses
  if (!first.startsWith('amqp:')) return unknown
  return (await probeRabbitMq(addressOf(kind, first))) ?? unknown
}

/** One line of `docker compose ps --format json`, as far as we read it. */
interface ComposeContainer {
  readonly Service?: string
  readonly State?: string
  readonly Health?: string
  readonly Image?: string
  readonly Publishers?: readonly { readonly TargetPort?: number; readonly PublishedPort?: number }[] | null
}

const clientPorts: Readonly<Record<KindName, number>> = { rabbitmq: 5672, kafka: 9092, postgres: 5432 }

const composeAddress: Readonly<Record<KindName, (port: number) => string>> = {
  rabbitmq: (port) => `amqp://guest:guest@127.0.0.1:${port}`,
  kafka: (port) => `127.0.0.1:${port}`,
  postgres: (port) => `postgres://postgres:postgres@127.0.0.1:${port}/postgres`,
}

/** Reads what compose prints: an array (older releases) or an object a line. */
export const readComposeServers = (text: string, wanted: Wanted): FoundServer | undefined => {
  const lines = text
    .trim()
    .split('\n')
    .filter((line) => line !== '')
  const containers = lines.flatMap((line) => JSON.parse(line) as ComposeContainer | ComposeContainer[])
  const container = containers.find(({ Service, State }) => Service === wanted.kind && State === 'running')
  if (container === undefined || (container.Health ?? '') === 'unhealthy') return undefined
  const target = clientPorts[wanted.kind]
  const port = container.Publishers?.find(
    (it) => it.TargetPort === target && (it.PublishedPort ?? 0) > 0,
  )?.PublishedPort
  if (port === undefined) return undefined
  const version = /:(\d[\d.]*)/.exec(container.Image ?? '')?.[1] ?? unknown
  const found = { addresses: [composeAddress[wanted.kind](port)], version }
  return fits(wanted, found) ? found : undefined
}

/** The server of a running `docker compose up`. Quick and silent where there is no Docker, or nothing runs. */
export const findInCompose = async (wanted: Wanted): Promise<FoundServer | undefined> => {
  const file = composeFile()
  if (file === undefined) return undefined
  try {
    const said = await run('docker', ['compose', '-f', file, 'ps', '--format', 'json'], { timeoutMs: 3000 })
    return said.code === 0 ? readComposeServers(said.stdout, wanted) : undefined
  } catch {
    return undefined // no docker command, or one that prints something else
  }
}

/** The checkout's compose file, seen from the sources and from `dist` alike. */
const composeFile = (): string | undefined => {
  for (let folder = dirname(fileURLToPath(import.meta.url)); folder !== dirname(folder); folder = dirname(folder)) {
    const file = join(folder, 'docker-compose.yml')
    if (existsSync(file)) return file
  }
  return undefined
}
