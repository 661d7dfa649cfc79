import { randomBytes } from 'node:crypto'
import { complete, handledAs } from '@posthorn/core'
import type { Envelope, Middleware } from '@posthorn/core'

/**
 * Tells the messages of this run from what an earlier one left in durable queues: every message that the demo sends has an
 * id that begins with the run's, and what the services send because of it carries that id as its correlation.
 */
export interface Run {
  idOfOrder(line: number): string
  newUserId(): string
  isOurs(envelope: Envelope | undefined): envelope is Envelope
  /** The line of the order that a message is about. */
  lineOf(envelope: Envelope): number
  /** Completes what is not ours, before a handler sees it. */
  readonly onlyOurs: Middleware
  /** Messages that were not ours. */
  readonly strays: number
}

export function createRun(): Run {
  const prefix = `demo-${randomBytes(6).toString('hex')}-`
  let users = 0
  let strays = 0
  const rootOf = (envelope: Envelope): string => envelope.correlationid ?? envelope.id
  const isOurs = (envelope: Envelope | undefined): envelope is Envelope =>
    envelope !== undefined && rootOf(envelope).startsWith(prefix)
  return {
    idOfOrder: (line) => `${prefix}${line}`,
    newUserId: () => `${prefix}user-${(users += 1)}`,
    isOurs,
    lineOf: (envelope) => Number(rootOf(envelope).slice(prefix.length)),
    async onlyOurs(call, next) {
      if (isOurs(call.items[0]?.envelope)) return next()
      strays += 1
      return handledAs(call, complete())
    },
    get strays() {
      return strays
    },
  }
}
