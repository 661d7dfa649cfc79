/*
 * A process that empties the outbox of `outboxPeer.ts` to memory and measures itself. Its arguments: the schema, how many
 * messages to measure, and how many to publish before that.
 */
import { randomUUID } from 'node:crypto'
import { silentLogger, systemClock } from '@posthorn/core'
import { createMemory } from '@posthorn/memory'
import { addressesFrom } from './addresses.js'
import { loadPeer, peerTable } from './outboxPeer.js'
import type { PeerMessage } from './outboxPeer.js'
import { stopwatch } from './stopwatch.js'

const [schema = '', messages = '', warmUp = ''] = process.argv.slice(2)

const peer = await loadPeer()
const transport = createMemory()
const deadline = systemClock.monotonic() + 3_600_000
await transport.connect({ clock: systemClock, logger: silentLogger }, [], { deadline })
const watch = stopwatch(Number(warmUp), Number(messages))
const { table, nextMessagesName } = peerTable(schema)
const [stop] = peer.initializePollingMessageListener(
  {
    outboxOrInbox: 'outbox',
    dbListenerConfig: { connectionString: addressesFrom('POSTHORN_POSTGRES_URL')[0]! },
    settings: {
      dbSchema: schema,
      dbTable: table,
      nextMessagesFunctionSchema: schema,
      nextMessagesFunctionName: nextMessagesName,
      // The kindest settings that were found. Its reading and its handling of one message collide, and whoever loses waits
      // for the end of this lock: 5 s by default, with which it relays less than 100 a second. More than its five at a time
      // made it slower (tried with 20 and 100).
      nextMessagesPollingIntervalInMs: 1,
      nextMessagesLockInMs: 50,
      enableMaxAttemptsProtection: false,
      enablePoisonousMessageProtection: false,
    },
  },
  { handle: send },
  peer.getDisabledLogger(),
)
await watch.done
const sample = watch.read()
await stop()
await transport.close(deadline)
process.stdout.write(`${JSON.stringify(sample)}\n`, () => process.exit())

async function send({ messageType, payload, metadata }: PeerMessage): Promise<void> {
  const body = Buffer.from(JSON.stringify(payload))
  const message = {
    id: randomUUID(),
    type: messageType,
    contentType: 'application/json',
    body,
    headers: metadata ?? {},
  }
  await transport.send({ destination: 'orders' }, message, { deadline })
  watch.tick()
}
