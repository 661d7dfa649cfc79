import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'amqplib'
import type { Channel } from 'amqplib'
import type { RabbitMqControl } from '../stack/src/index.js'
import type { FaultContext, FaultKind } from './target.js'
import { flows, step, work } from './traffic.js'

const workQueue = `${work.destination}.${flows.w.group}`
const rungQueue = `${workQueue}.retry.${flows.w.delaysMs[0]}`
const deadQueue = `${workQueue}.dead`

/** Where an operator does something to it. */
interface Broker {
  readonly control: RabbitMqControl
  /** Of a node, not of a proxy. */
  readonly url: string
}

/** What can be done to RabbitMQ itself; `urls` has one for each node. */
export function rabbitMqFaults(control: RabbitMqControl, urls: readonly string[]): Readonly<Record<string, FaultKind>> {
  const nodes = urls.length
  const broker = { control, url: urls[0]! }
  const kinds = {
    brokerKilled: {
      minMs: 500,
      maxMs: 4_000,
      inject: (context: FaultContext) => killed(control, anyNode(context, nodes)),
    },
    brokerStopped: {
      minMs: 1_000,
      maxMs: 4_000,
      inject: (context: FaultContext) => stopped(control, anyNode(context, nodes)),
    },
    brokerPaused: {
      minMs: 3_000,
      maxMs: 9_000,
      inject: (context: FaultContext) => paused(control, anyNode(context, nodes)),
    },
    connectionsClosed: { minMs: 0, maxMs: 500, inject: () => connectionsClosed(control) },
    memoryAlarm: { minMs: 3_000, maxMs: 8_000, inject: () => memoryAlarm(control) },
    queueDeleted: { minMs: 500, maxMs: 2_000, inject: (context: FaultContext) => queueDeleted(broker, context) },
    rungDeleted: { minMs: 2_000, maxMs: 4_000, inject: (context: FaultContext) => rungDeleted(broker, context) },
    bindingDeleted: { minMs: 1_000, maxMs: 4_000, inject: () => bindingDeleted(broker) },
    deadLettersRefused: {
      minMs: 3_000,
      maxMs: 6_000,
      inject: (context: FaultContext) => deadLettersRefused(control, context),
    },
  }
  return nodes === 1
    ? kinds
    : { ...kinds, leaderKilled: { minMs: 1_000, maxMs: 6_000, inject: (context) => leaderKilled(control, context) } }
}

function anyNode({ random, note }: FaultContext, nodes: number): number {
  const node = random.between(1, nodes)
  if (nodes > 1) note(nodeName(node))
  return node
}

function nodeName(node: number): string {
  return `node${node}@localhost`
}

async function killed(control: RabbitMqControl, node: number): Promise<() => Promise<void>> {
  await control.kill(node)
  return () => control.start(node)
}

async function stopped(control: RabbitMqControl, node: number): Promise<() => Promise<void>> {
  await control.ctl('-n', nodeName(node), 'stop_app')
  return async () => {
    await control.ctl('-n', nodeName(node), 'start_app')
    await control.ctl('-n', nodeName(node), 'await_startup')
  }
}

async function paused(control: RabbitMqControl, node: number): Promise<() => Promise<void>> {
  await control.pause(node)
  return () => control.resume(node)
}

async function connectionsClosed(control: RabbitMqControl): Promise<() => Promise<void>> {
  await control.ctl('close_all_connections', 'a fault')
  return () => Promise.resolve()
}

async function memoryAlarm(control: RabbitMqControl): Promise<() => Promise<void>> {
  await control.ctl('set_vm_memory_high_watermark', '0.0001')
  return async () => void (await control.ctl('set_vm_memory_high_watermark', '0.4'))
}

/**
 * What is in a queue goes with it, by the operator's hand: nothing of the run may be in it. While it is missing nobody
 * receives the messages, and their publishers must be told so.
 */
async function queueDeleted({ control, url }: Broker, context: FaultContext): Promise<() => Promise<void>> {
  await context.drained()
  await withChannel(url, (channel) => channel.deleteQueue(workQueue))
  context.resume()
  return async () => {
    await exists(url, workQueue)
    await control.syncDeclarations()
  }
}

/** Retries find no queue: their originals must stay until a consumer declares the rung anew, after a reconnect. */
async function rungDeleted({ control, url }: Broker, context: FaultContext): Promise<() => Promise<void>> {
  await context.drained()
  await withChannel(url, (channel) => channel.deleteQueue(rungQueue))
  context.resume()
  return async () => {
    await control.ctl('close_all_connections', 'so that the topology is declared again')
    await exists(url, rungQueue)
    await control.syncDeclarations()
  }
}

/** A queue that is younger than a second does not survive a kill -9 of its node: the next fault waits for this. */
async function exists(url: string, queue: string): Promise<void> {
  const end = performance.now() + 30_000
  for (;;) {
    try {
      return await withChannel(url, (channel) => channel.checkQueue(queue))
    } catch (error) {
      if (performance.now() > end) throw new Error(`Nobody declared ${queue} again`, { cause: error })
      await sleep(200)
    }
  }
}

/** Messages to nobody: their publishers must be told so, and are not owed a delivery. */
async function bindingDeleted({ url }: Broker): Promise<() => Promise<void>> {
  const binding = [workQueue, work.destination, work.type] as const
  await withChannel(url, (channel) => channel.unbindQueue(...binding))
  return () => withChannel(url, (channel) => channel.bindQueue(...binding))
}

/** A channel of an operator. */
export async function withChannel(url: string, use: (channel: Channel) => Promise<unknown>): Promise<void> {
  const connection = await connect(url)
  connection.on('error', () => {})
  try {
    const channel = await connection.createChannel()
    // A refusal comes as the rejection of what was asked, too.
    channel.on('error', () => {})
    await use(channel)
  } finally {
    await connection.close()
  }
}

/** A full queue of dead letters that nobody reads: originals must stay until there is room. */
async function deadLettersRefused(control: RabbitMqControl, { children }: FaultContext): Promise<() => Promise<void>> {
  const readers = children.filter(({ role }) => role === 'reader')
  for (const reader of readers) await reader.terminate()
  const policy = ['faults', `^${deadQueue.replaceAll('.', '\\.')}$`]
  await control.ctl('set_policy', '--apply-to', 'queues', ...policy, '{"max-length":1}')
  return async () => {
    await control.ctl('clear_policy', 'faults')
    for (const reader of readers) await reader.start()
  }
}

async function leaderKilled(control: RabbitMqControl, { random, note }: FaultContext): Promise<() => Promise<void>> {
  const queue = random.pick([workQueue, `${step.destination}.${flows.s.group}`])
  const rows = (await control.ctl('-q', 'list_queues', 'name', 'leader', '--no-table-headers')).split('\n')
  const leader = rows
    .map((row) => row.split('\t'))
    .find(([name]) => name === queue)?.[1]
    ?.trim()
  const node = Number(/^node(\d)@/.exec(leader ?? '')?.[1])
  if (!Number.isInteger(node)) throw new Error(`${queue} has no leader: ${leader}`)
  note(`${nodeName(node)}, leader of ${queue}`)
  await control.kill(node)
  return () => control.start(node)
}
