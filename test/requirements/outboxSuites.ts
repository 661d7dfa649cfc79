import { testsOf } from './requirement.js'
import type { NamedTest } from './requirement.js'

type Suite = (title: string) => NamedTest

const outbox = (name: string, suite: string): Suite => testsOf(`packages/outbox/test/${name}.test.ts`, suite)
const postgres = (name: string, suite?: string): Suite => testsOf(`packages/postgres/test/${name}.ts`, suite)
const faults = testsOf('test/faults/outbox.fault.test.ts')

/** A case of the suite of stores, on PostgreSQL. */
const store = postgres('pgConformance.int.test', 'the store on PostgreSQL')

/** The suites that the table names. */
export const outboxSuites = {
  store,
  storeOnPglite: testsOf('packages/postgres/test/pgliteConformance.test.ts', 'the store on PGlite'),
  lyingStores: outbox('conformance/storeConformanceCases', 'the conformance suite on a store that lies'),
  stored: outbox('outbox', 'what an outbox stores'),
  refused: outbox('outbox', 'what an outbox refuses'),
  relay: outbox('relay/relay', 'a relay'),
  leases: outbox('relay/relayLeases', 'leases'),
  ownFailures: outbox('relay/relayFailures', 'failures of an entry’s own'),
  outages: outbox('relay/relayFailures', 'outages'),
  unrouted: outbox('relay/relayFailures', 'what nobody receives'),
  hints: outbox('relay/relayLife', 'hints'),
  simulation: outbox(
    'relay/simulation/simulation',
    'a relay in simulated histories of commits, rollbacks, faults, deaths and pauses',
  ),
  again: outbox('inbox', 'a message that comes again'),
  throws: outbox('inbox', 'a handler that throws'),
  tooOld: outbox('inbox', 'a message that is older than what is remembered'),
  context: outbox('inbox', 'the context'),
  commit: outbox('inbox', 'a COMMIT without an answer'),
  followUps: outbox('inboxPublish', 'context.publish with an outbox'),
  directly: outbox('inboxPublish', 'context.publish without an outbox'),
  writer: postgres('outboxWriter.int.test', 'a transaction of pg'),
  lockKeys: postgres('outboxWriter.int.test', 'lockKeys'),
  executors: postgres('executors.int.test', '%s'),
  prisma: testsOf('test/interop/prisma.int.test.ts', 'an outbox with transactions of Prisma'),
  handlers: postgres('inboxHandlers.int.test', 'handlers with an inbox on PostgreSQL'),
  retention: postgres('inboxRetention.int.test', 'the inbox on PostgreSQL'),
  table: postgres('migrate.int.test', 'the table of the outbox'),
  listener: postgres('pgFaults.fault.test', 'the listener'),
  lostCommit: postgres('pgFaults.fault.test', 'a COMMIT that gets no answer'),
  killed: postgres('pgFaults.fault.test', 'a server that is killed'),
  midnight: postgres('inboxMidnight.int.test', 'the inbox at midnight'),
  wrongClocks: postgres('wrongClocks.int.test'),
  outboxPages: testsOf('test/docs/outboxPages.test.ts'),
  longSession: postgres('pgFaults.fault.test', 'a REPEATABLE READ session that stays open'),
  polling: postgres('pgConformance.int.test', 'the store on PostgreSQL with polling only'),
  behindPgBouncer: postgres('pgBouncer.int.test', 'the store behind PgBouncer in transaction mode'),
  throughPgBouncer: postgres('pgBouncer.int.test', 'outbox, relay and inbox behind PgBouncer in transaction mode'),
  pgBouncerListener: postgres('pgBouncer.int.test', 'a listener behind PgBouncer'),
  plan: postgres('relayPlan.int.test'),
  faultRun: faults(
    'traffic through outbox, relays and inbox survives faults of several kinds, and every invariant holds',
  ),
  betrayed: faults('${what} turns the run red'),
} as const
