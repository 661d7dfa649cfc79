import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Of the outboxes on npm that need no framework, the one that keeps order; installed when somebody measures against it. */
export const peerName = 'pg-transactional-outbox 0.5.7'

/** What is used of it. */
export interface Peer {
  readonly DatabaseSetup: Readonly<Record<string, (config: PeerTable) => string>>
  readonly getDisabledLogger: () => unknown
  readonly initializePollingMessageListener: (
    config: object,
    handler: { handle(message: PeerMessage): Promise<void> },
    logger: unknown,
  ) => [() => Promise<void>]
}

export interface PeerMessage {
  readonly id: string
  readonly messageType: string
  readonly payload: unknown
  readonly metadata?: Record<string, string>
}

/** What it calls its tables and functions. */
export interface PeerTable {
  readonly outboxOrInbox: 'outbox'
  readonly database: string
  readonly schema: string
  readonly table: string
  readonly nextMessagesName: string
  readonly listenerRole: string
}

export const peerTable = (schema: string): PeerTable => ({
  outboxOrInbox: 'outbox',
  database: 'postgres',
  schema,
  table: 'peer',
  nextMessagesName: 'next_messages',
  listenerRole: 'postgres',
})

export async function loadPeer(): Promise<Peer> {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  const folder = join(cache, 'posthorn-stack', peerName.replace(' ', '-'))
  if (!existsSync(folder)) install(folder)
  const entry = join(folder, 'node_modules', 'pg-transactional-outbox', 'dist', 'index.js')
  return (await import(pathToFileURL(entry).href)) as Peer
}

/** Under another name first: who is killed on the way leaves nothing that looks whole. */
function install(folder: string): void {
  const building = `${folder}.${process.pid}`
  mkdirSync(building, { recursive: true })
  const options = ['--prefix', building, '--no-save', '--no-audit', '--no-fund', '--ignore-scripts']
  try {
    const output = ['ignore', 'ignore', 'inherit'] as const
    execFileSync('npm', ['install', ...options, peerName.replace(' ', '@')], { stdio: [...output] })
    renameSync(building, folder)
  } catch (error) {
    rmSync(building, { recursive: true, force: true })
    if (existsSync(folder)) return
    throw new Error(`${peerName} could not be installed; measure without it: --only with another operation`, {
      cause: error,
    })
  }
}
