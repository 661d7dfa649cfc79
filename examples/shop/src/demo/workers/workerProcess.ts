/*
 * A worker of the demo in a process of its own: `createProcessWorker` starts it, and kills it. It says nothing on standard output.
 */
import { findTransports } from '../../broker/transports.js'
import { withPrefix } from '../../broker/withPrefix.js'
import { findDatabases } from '../../database/findDatabases.js'
import { createShopLogger } from '../../logger.js'
import { createRun } from '../run.js'
import { createFuse, withFuse } from './crashPoints.js'
import { failureOf } from './messages.js'
import type { FromWorker, ToWorker, WorkerSetting } from './messages.js'
import { destinationPrefix, openDatabase, roles } from './roles.js'
import type { Role } from './roles.js'
import type { News } from './worker.js'

const fuse = createFuse(killMe)
let close: (deadlineMs: number) => Promise<void> = async () => {}
let role: Role | undefined

/** For real: nothing is flushed, nothing is closed, nobody is told. */
async function killMe(): Promise<void> {
  process.kill(process.pid, 'SIGKILL')
  await new Promise(() => {})
}

function tell(message: FromWorker): void {
  if (process.connected) process.send!(message)
}

const news: News = {
  known: (...facts) => tell({ kind: 'news', name: 'known', facts }),
  published: (...facts) => tell({ kind: 'news', name: 'published', facts }),
  retried: () => tell({ kind: 'news', name: 'retried', facts: [] }),
  heard: (...facts) => tell({ kind: 'news', name: 'heard', facts }),
  stray: () => tell({ kind: 'news', name: 'stray', facts: [] }),
}

async function begin({ name, broker, databaseUrl, run: runName, seed, leaseMs }: WorkerSetting): Promise<void> {
  const logger = createShopLogger(`shop-${name}`, 'fatal')
  const transports = await findTransports(broker)
  const databases = await findDatabases({ database: 'postgres', databaseUrl })
  const run = createRun(runName)
  const database = withFuse(await openDatabase(databases, run, name), fuse)
  const transport = withPrefix(transports.create(), destinationPrefix)
  role = roles[name]({ transport, database, logger, seed, run, news, leaseMs })
  close = async (deadlineMs) => {
    await role?.stop(deadlineMs)
    await databases.close()
  }
  await role.start(new AbortController().signal)
}

async function place({ number, order, id }: Extract<ToWorker, { kind: 'place' }>): Promise<void> {
  try {
    await role!.orders!.place(order, { id })
    tell({ kind: 'placed', number })
  } catch (error) {
    tell({ kind: 'placed', number, failure: failureOf(error) })
  }
}

async function stop(deadlineMs: number): Promise<void> {
  await close(deadlineMs).catch(() => {})
  process.exit(0)
}

process.on('message', (message: ToWorker) => {
  if (message.kind === 'begin') {
    begin(message.setting).then(
      () => tell({ kind: 'ready' }),
      (error: unknown) => tell({ kind: 'failed', failure: failureOf(error) }),
    )
  }
  if (message.kind === 'place') void place(message)
  if (message.kind === 'arm') fuse.arm(message.point)
  if (message.kind === 'stop') void stop(message.deadlineMs)
})
// The demo hears Ctrl-C too, and says what is to be done; without it nobody needs this process.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => {})
process.on('disconnect', () => process.exit(1))
