import { setTimeout as sleep } from 'node:timers/promises'
import { createService } from '@posthorn/core'
import type { HandlerResult, IncomingMessage, Middleware } from '@posthorn/core'
import { createInbox, createOutbox, handlersWith } from '@posthorn/outbox'
import type { InboxContext, OutboxFollowUpOptions } from '@posthorn/outbox'
import { createPostgresStore } from '@posthorn/postgres'
import type { PgClient } from '@posthorn/postgres'
import { stopMs } from '../actor.js'
import type { Actor, Notes } from '../actor.js'
import type { ChildConfig } from '../childLink.js'
import { transportOf } from '../serviceActor.js'
import { fateOf, flowOf, flows, followUp, followUpId } from '../traffic.js'
import type { TrafficData } from '../traffic.js'
import { inboxStoreOf } from './outboxLies.js'
import { createRunPool, maxConnections } from './runPool.js'
import { insertEffect } from './runTables.js'

/** Long enough that a killed process always holds some. */
const workMs = 5
/** Handlers of all groups together need a connection each, and one is left for the inbox. */
const concurrency = { ordered: 20, unordered: 12 }

type Context = InboxContext<PgClient, OutboxFollowUpOptions>

/** A service whose handlers have their effect in a database, once. */
export function createInboxActor(config: ChildConfig, { ledger, now }: Notes): Actor {
  const { name, database, flows: keys } = config
  const pool = createRunPool(database!, name, maxConnections.consumer)
  const store = createPostgresStore({ pool, timeoutMs: 5_000 })
  const source = `/faults/${name}`
  const service = createService({ source, transport: transportOf(config) })
  const inbox = service.attach(
    createInbox({
      store: inboxStoreOf(store, config),
      outbox: createOutbox({ source, store, publishes: [followUp] }),
      maintenanceIntervalMs: 30_000,
    }),
  )
  const { on } = handlersWith(inbox)

  const called = new Set<string>()

  async function handle(message: IncomingMessage<TrafficData>, context: Context): Promise<HandlerResult> {
    const { id } = message.envelope
    called.add(id)
    const { key, seq } = message.data
    await ledger.write(`h ${id} ${context.attempt} ${key} ${seq} ${now()}`)
    const fate = fateOf(id)
    await context.tx.query(insertEffect, [id, key, seq])
    if (!flows[flowOf(id)].ordered) await sleep(workMs)
    // After the effect: it must be rolled back.
    if (fate === 'failsAlways') throw new Error('this one never works')
    if (fate === 'failsOnce' && context.attempt === 1) throw new Error('this one works the second time')
    if (flowOf(id) === 'u') await publishFollowUp(id, message.data, context)
    await ledger.write(`d ${id} ${now()}`)
  }

  async function publishFollowUp(cause: string, data: TrafficData, context: Context): Promise<void> {
    const id = followUpId(cause)
    await ledger.write(`a ${id} ${now()}`)
    await context.publish(followUp, data, { id })
    // If this transaction does not commit, the handler is called again: there is one of these in the end.
    await ledger.write(`k ${id} 1 ${now()}`)
  }

  /** What the inbox knows is done with, and no handler tells of it. */
  const noteRepeats: Middleware = async (call, next) => {
    const { id } = call.items[0]!.envelope
    try {
      const handled = await next()
      if (!called.has(id)) await ledger.write(`r ${id} ${now()}`)
      return handled
    } finally {
      called.delete(id)
    }
  }

  for (const key of keys) {
    const { contract, group, ordered, delaysMs, maxCrashes } = flows[key]
    service.consume(group, {
      handlers: [on<TrafficData>(contract, handle)],
      retry: { delaysMs },
      concurrency: ordered ? concurrency.ordered : concurrency.unordered,
      maxInFlight: 100,
      maxCrashes,
      middleware: [noteRepeats],
      ...(ordered ? { order: { by: 'partitionKey', onRetry: 'holdKey' } } : {}),
    })
  }
  return {
    start: () => service.start({ ifUnavailable: 'wait' }),
    async stop() {
      await service.stop({ deadlineMs: stopMs })
      await pool.end()
    },
    state() {
      const { ready, publisher } = service.health()
      return { ready, unconfirmed: publisher.unconfirmed }
    },
  }
}
