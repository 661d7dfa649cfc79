import { migrate } from '@posthorn/postgres'
import { acquirePostgres, acquireRabbitMq } from '../../stack/src/index.js'
import type { NodeControl, RabbitMqVersion } from '../../stack/src/index.js'
import type { ChildServers, Role } from '../childLink.js'
import { rabbitMqFaults } from '../rabbitMqFaults.js'
import { diagnoseRabbitMq, missingConsumers, rabbitMqConfig } from '../rabbitMqTarget.js'
import type { CreateTarget, FaultKind } from '../target.js'
import { outboxFlows } from '../traffic.js'
import { databaseFaults } from './databaseFaults.js'
import { createDatabaseWatch } from './databaseWatch.js'
import { createOutboxProxies } from './outboxProxies.js'
import type { OutboxProxies, OutboxWay } from './outboxProxies.js'
import { leaseMs } from './relayActor.js'
import { relayFaults } from './relayFaults.js'
import { routeFaults } from './routeFaults.js'
import { createRunPool, maxConnections } from './runPool.js'
import { runTables } from './runTables.js'

const crew = { reader: 1, consumer: 2, relay: 3, publisher: 2 }
/** Of the broker's own faults; where an operator deletes a queue, what relays have published is gone with it. */
const brokerKinds = [
  'brokerKilled',
  'brokerStopped',
  'brokerPaused',
  'connectionsClosed',
  'memoryAlarm',
  'deadLettersRefused',
]
const longRunMs = 300_000

/** A RabbitMQ and a PostgreSQL of this run alone. */
export const createOutboxTarget: CreateTarget = async ({ version = '4.3', nodes, driver, totalMs, progress }) => {
  if (driver !== undefined || nodes !== 1) throw new Error('The outbox runs on one RabbitMQ and one PostgreSQL')
  const [broker, postgres] = await Promise.all([
    acquireRabbitMq({ version: version as RabbitMqVersion, fresh: true, progress }),
    acquirePostgres({ fresh: true, progress }),
  ])
  const { control: brokerControl, urls } = broker
  const { control: databaseControl, url } = postgres
  if (brokerControl === undefined || databaseControl === undefined) throw new Error('fresh servers can be controlled')
  await prepareDatabase(url, databaseControl)
  const proxies = await createOutboxProxies(urls[0]!, url)
  const watch = createDatabaseWatch(url)
  const kinds = rabbitMqFaults(brokerControl, urls)
  return {
    name: 'outbox',
    version: `${postgres.version} with RabbitMQ ${broker.version}`,
    kinds: {
      ...Object.fromEntries(brokerKinds.map((name): [string, FaultKind] => [name, kinds[name]!])),
      ...routeFaults({ control: brokerControl, broker: urls[0]!, database: url }),
      ...databaseFaults({
        control: databaseControl,
        url,
        proxies,
        holdMs: totalMs < longRunMs ? 15_000 : 60_000,
      }),
      ...relayFaults,
    },
    openProxies: () => Promise.resolve(proxies),
    // A relay that died keeps its partitions for as long as its leases last.
    maxStallMs: 15_000 + leaseMs,
    // Pools open connections when they need them.
    maxMoreSockets: Math.max(...Object.values(maxConnections)),
    maxCopies: 1,
    crew,
    steadyFlows: outboxFlows,
    serversOf: (role) => serversOf(role, proxies),
    database: watch,
    declared: () => brokerControl.syncDeclarations(),
    async missing() {
      const consumers = await missingConsumers(urls[0]!, outboxFlows, crew.consumer)
      return [...consumers, ...(await watch.missingRelays(crew.relay))]
    },
    diagnose: async () => `${await diagnoseRabbitMq(brokerControl)}\n${await watch.diagnose()}`,
    log: () => `${brokerControl.log()}\n${databaseControl.log()}`,
    async close() {
      await Promise.all([watch.close(), proxies.close()])
      await Promise.all([broker.release(), postgres.release()])
    },
  }
}

/** More connections than there are by default: those of a process that was cut off stay for a while. */
async function prepareDatabase(url: string, control: NodeControl): Promise<void> {
  const pool = createRunPool(url, 'operator', 1)
  try {
    await pool.query('alter system set max_connections = 300')
    await migrate(pool)
    for (const statement of runTables) await pool.query(statement)
  } finally {
    await pool.end()
  }
  await control.stop()
  await control.start()
}

const waysOf: Readonly<Record<Role, { readonly database: OutboxWay; readonly broker: OutboxWay }>> = {
  publisher: { database: 'writersToDatabase', broker: 'relaysToBroker' },
  relay: { database: 'relaysToDatabase', broker: 'relaysToBroker' },
  consumer: { database: 'consumersToDatabase', broker: 'consumersToBroker' },
  reader: { database: 'consumersToDatabase', broker: 'consumersToBroker' },
}

function serversOf(role: Role, proxies: OutboxProxies): ChildServers {
  const { database, broker } = waysOf[role]
  return {
    flows: outboxFlows,
    transport: rabbitMqConfig(proxies.of(broker)),
    database: proxies.urlOf(database),
  }
}
