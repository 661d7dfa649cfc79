import { createRabbitMq } from '@posthorn/rabbitmq'
import { connect } from 'amqplib'
import { addressesFrom } from './addresses.js'
import { consumerProcess } from './consumerProcess.js'
import type { Contender, Operation } from './measure.js'
import { orderContract } from './orderEvent.js'
import { declareGroup } from './ours.js'
import { openInbox } from './outboxInbox.js'
import { openInserts } from './outboxInsert.js'
import { peerName } from './outboxPeer.js'
import { createOutboxTable } from './outboxTable.js'
import type { OutboxTable } from './outboxTable.js'
import { barePublisher } from './rabbitmq.js'
import { purge, removeGroup } from './rabbitmqQueues.js'

const warmUpCount = 5_000
const program = 'outboxRelay.js'
const byHand = 'select, publish, delete by hand: no order, no lease'

/** How the work is shared. One key is sent one message after the other: nothing to compare it with keeps that order. */
const shapes = [
  { relays: 1, keys: 100 },
  { relays: 2, keys: 100 },
  { relays: 4, keys: 100 },
  { relays: 1, keys: 10_000 },
  { relays: 1, keys: 1 },
] as const

type Shape = (typeof shapes)[number]

/** The operations of `npm run bench -- outbox`; the relays of one contender are in one process. */
export function outboxOperations(): Operation[] {
  return [
    {
      operation: 'insert',
      against: 'a bare insert of the same bytes, ajv',
      budget: { rateRatio: 0.77 },
      maxMessages: 10_000,
      open: openInserts,
    },
    {
      operation: 'inbox',
      against: 'a table of handled messages, by hand',
      budget: {},
      maxMessages: 5_000,
      open: openInbox,
    },
    ...shapes.map((shape) => toMemory(shape)),
    backlog,
    peer,
    ...shapes.map((shape) => toRabbitMq(shape)),
  ]
}

const nameOf = ({ relays, keys }: Shape): string => `${relays}-relays-${keys}-keys`

function toMemory(shape: Shape): Operation {
  return {
    operation: `memory/${nameOf(shape)}`,
    against: byHand,
    budget: shape.keys === 1 ? {} : { rateRatio: 0.7, ratePerSecond: 15_000 },
    maxMessages: 40_000,
    async open() {
      const table = await createOutboxTable()
      const contender = (who: string, name: string): Contender =>
        consumerProcess({
          name,
          program,
          args: [who, 'memory', table.schema, `${shape.relays}`],
          warmUpCount,
          prepare: (messages) => table.fill(messages, shape.keys),
          close: () => (who === 'ours' ? table.close() : Promise.resolve()),
        })
      return { ours: contender('ours', `posthorn, ${nameOf(shape)}`), bare: contender('hand', 'by hand') }
    },
  }
}

/** To memory, 100 keys in order. */
const peer: Operation = {
  operation: 'peer',
  against: peerName,
  budget: { rateRatio: 1 },
  maxMessages: 200,
  async open() {
    const table = await createOutboxTable()
    const ours = consumerProcess({
      name: 'posthorn, 1 relay, 100 keys',
      program,
      args: ['ours', 'memory', table.schema, '1'],
      warmUpCount,
      multiple: 100,
      prepare: (messages) => table.fill(messages, 100),
      close: () => Promise.resolve(),
    })
    const bare = consumerProcess({
      name: `${peerName}, 1 listener, 100 keys`,
      program: 'outboxPeerRelay.js',
      args: [table.schema],
      warmUpCount: 200,
      prepare: (messages) => table.fillPeer(messages, 100),
      close: () => table.close(),
    })
    return { ours, bare }
  },
}

/** What is measured is the same number of messages; what lies behind them differs. */
const backlog: Operation = {
  operation: 'backlog',
  against: 'the same relay with only what it publishes in the outbox',
  budget: { rateRatio: 0.8 },
  maxMessages: 10_000,
  async open() {
    const contender = (table: OutboxTable, rows: number | undefined): Contender =>
      consumerProcess({
        name: rows === undefined ? 'posthorn, no backlog' : `posthorn, backlog of ${rows}`,
        program,
        args: ['ours', 'memory', table.schema, '1'],
        warmUpCount,
        prepare: (messages) => table.topUp(rows ?? messages, 10_000),
        close: () => table.close(),
      })
    const body = Buffer.from('{"n":1}')
    const [deep, shallow] = [await createOutboxTable({ body }), await createOutboxTable({ body })]
    return { ours: contender(deep, 1_000_000), bare: contender(shallow, undefined) }
  },
}

function toRabbitMq(shape: Shape): Operation {
  return {
    operation: `rabbitmq/${nameOf(shape)}`,
    against: 'publishing with amqplib + ajv, without an outbox',
    budget: shape.keys === 1 ? {} : { rateRatio: 0.6 },
    maxMessages: shape.keys === 1 ? 2_000 : 20_000,
    async open() {
      const urls = addressesFrom('POSTHORN_RABBITMQ_URL')
      const table = await createOutboxTable()
      const { destination } = table
      const contract = orderContract(destination)
      await declareGroup({ createTransport: () => createRabbitMq({ urls }), contract, width: 1 }, 'sink')
      const model = await connect(urls[0]!)
      const bare = await barePublisher(model, `${destination}-bare`)
      const ours = consumerProcess({
        name: `posthorn, ${nameOf(shape)}`,
        program,
        args: ['ours', 'rabbitmq', table.schema, `${shape.relays}`],
        warmUpCount: shape.keys === 1 ? 500 : warmUpCount,
        async prepare(messages) {
          await purge(model, `${destination}.sink`)
          await table.fill(messages, shape.keys)
        },
        async close() {
          await table.close()
          await removeGroup(urls[0]!, destination, 'sink')
        },
      })
      return { ours, bare }
    },
  }
}
