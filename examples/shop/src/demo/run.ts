import { randomBytes } from 'node:crypto'
import { complete, handledAs } from '@posthorn/core'
import type { Envelope, Middleware } from '@posthorn/core'

/**
 * Tells the messages of this run from what an earlier one left in durable queues: every message that the demo sends has an
 * id that begins with the run's, and what the services send because of it carries that id as its correlation.
 */
export interface Run {
  /** Small letters and digits, new in each run. */
  readonly name: string
  readonly idOfOrder: (line: number) => string
  newUserId(): string
  isOurs(envelope: Envelope | undefined): envelope is Envelope
  /** The line of the order that a message is about. */
  lineOf(envelope: Envelope): number
  /** The line of an order's id. */
  lineOfId(id: string): number
}

/** A process that helps a run is given its name. */
export function createRun(name: string = randomBytes(6).toString('hex')): Run {
  const prefix = `demo-${name}-`
  let users = 0
  const rootOf = (envelope: Envelope): string => envelope.correlationid ?? envelope.id
  const lineOfId = (id: string): number => Number(id.slice(prefix.length))
  return {
    name,
    idOfOrder: (line) => `${prefix}${line}`,
    newUserId: () => `${prefix}user-${(users += 1)}`,
    isOurs: (envelope): envelope is Envelope => envelope !== undefined && rootOf(envelope).startsWith(prefix),
    lineOf: (envelope) => lineOfId(rootOf(envelope)),
    lineOfId,
  }
}

/**
 * Completes what is not ours, before a handler sees it. A batch in which something is ours goes on as a whole: its handler, which
 * notes outcomes, knows no order of another run.
 */
export function onlyOurs(run: Run, onStray: () => void): Middleware {
  return async (call, next) => {
    const strays = call.items.filter(({ envelope }) => !run.isOurs(envelope)).length
    for (let count = 0; count < strays; count += 1) onStray()
    return strays === call.items.length ? handledAs(call, complete()) : next()
  }
}
