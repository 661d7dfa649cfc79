import type { FollowUpOptions, PartHealth, ServicePart } from '@posthorn/core'
import {
  callable,
  healthFrom,
  healthReason,
  object,
  observeNumbers,
  oneOf,
  optionProblems,
  outboxMetrics,
  refuseProblems,
  text,
  wholeNumber,
} from '@posthorn/core/adapter'
import type { HealthCode, Metrics, OptionRule } from '@posthorn/core/adapter'
import type { OuterContext, OutboxFollowUpOptions } from './inboxContext.js'
import { createInboxRun } from './inboxRun.js'
import type { InboxCounts, InboxRun } from './inboxRun.js'
import { createInboxUpkeep } from './inboxUpkeep.js'
import type { Outbox } from './outbox.js'
import type { InboxStore } from './ports.js'

/** What an inbox is made from. */
export interface InboxOptions<Tx> {
  /** Where messages are remembered, and whose transactions handlers get. */
  readonly store: InboxStore<Tx>
  /**
   * Makes `context.publish` store messages in the handler's transaction. Without it they leave at once, also when the
   * transaction is rolled back. @default none
   */
  readonly outbox?: Outbox<NoInfer<Tx>>
  /**
   * What happens with a message that is older than what is remembered: nobody knows whether it was handled. `handle` calls
   * the handler, perhaps a second time. @default 'deadLetter'
   */
  readonly expired?: 'deadLetter' | 'handle'
  /**
   * How often room is made ahead and what is old is dropped, in milliseconds, while a service runs to which the inbox is
   * attached. 0 where another process does it, for a role that may not create tables. @default 3_600_000 (an hour)
   */
  readonly maintenanceIntervalMs?: number
  /** Its name among the parts of a service. @default 'inbox' */
  readonly name?: string
}

declare const publishOptions: unique symbol

/** Whether the upkeep works, and what was counted. */
export interface InboxHealth extends PartHealth, InboxCounts {
  /** Partitions of old messages that this process dropped. */
  readonly dropped: number
}

/**
 * Lets each message have its effect once. Handlers are made with `handlersWith(inbox)`; `service.attach(inbox)` lets its upkeep
 * run with the service. `Options` are those of `context.publish`.
 */
export interface Inbox<Tx, Options = FollowUpOptions> extends ServicePart {
  health(): InboxHealth
  /** For `handlersWith`. */
  readonly run: InboxRun<Tx>
  /** Tells the two kinds of `context.publish` apart for the compiler; there is no such property. */
  readonly [publishOptions]?: Options
}

/** Makes an inbox; throws a `ConfigurationError` that lists all problems. Without I/O. */
export function createInbox<Tx>(
  options: InboxOptions<Tx> & { readonly outbox: Outbox<NoInfer<Tx>> },
): Inbox<Tx, OutboxFollowUpOptions>
export function createInbox<Tx>(options: InboxOptions<Tx> & { readonly outbox?: never }): Inbox<Tx>
export function createInbox<Tx>(options: InboxOptions<Tx>): Inbox<Tx, never> {
  refuseProblems('The inbox', inboxProblems(options))
  const { store, outbox, expired = 'deadLetter', maintenanceIntervalMs = 3_600_000, name = 'inbox' } = options
  const upkeep = createInboxUpkeep(store, maintenanceIntervalMs)
  const run = createInboxRun({ store, outbox, expired, noteCall })
  let isNoted = false
  let endMetrics: (() => void) | undefined

  /** Room would run out after days, when nobody thinks of this line any more. */
  function noteCall(context: OuterContext): void {
    if (isNoted) return
    isNoted = true
    if (upkeep.state.attached || maintenanceIntervalMs === 0) return
    const facts = { event: 'inbox.detached', inbox: name }
    context.logger.warn(facts, 'Nobody maintains this inbox; call service.attach(inbox)')
  }

  return {
    name,
    startsBeforeConsumers: true,
    run,
    async start(surroundings) {
      const { metrics } = surroundings
      endMetrics ??= metrics && observeInbox(metrics, () => ({ ...run.counts, dropped: upkeep.state.dropped }))
      await upkeep.start(surroundings)
    },
    async stop() {
      await upkeep.stop()
      endMetrics?.()
      endMetrics = undefined
    },
    health() {
      const { running, failure, dropped } = upkeep.state
      const reasons = [...upkeepReasons(running, failure)].map((one) => healthReason({ where: `part ${name}`, ...one }))
      return { ...healthFrom(reasons), ...run.counts, dropped }
    },
  }
}

function observeInbox(metrics: Metrics, counts: () => InboxCounts & Pick<InboxHealth, 'dropped'>): () => void {
  return observeNumbers(metrics, [
    { of: outboxMetrics.inboxHandled, read: () => counts().handled },
    { of: outboxMetrics.inboxDuplicates, read: () => counts().duplicates },
    { of: outboxMetrics.inboxExpired, read: () => counts().expired },
    { of: outboxMetrics.inboxDropped, read: () => counts().dropped },
  ])
}

function* upkeepReasons(running: boolean, failure: string | undefined): Iterable<{ code: HealthCode; what: string }> {
  if (!running) yield { code: 'notAttached', what: 'Its upkeep does not run' }
  else if (failure !== undefined) yield { code: 'upkeepFailed', what: failure }
}

const inboxRules: Readonly<Record<keyof InboxOptions<unknown>, OptionRule>> = {
  store: methods('transaction', 'remember', 'maintain'),
  outbox: methods('publish'),
  expired: oneOf('deadLetter', 'handle'),
  maintenanceIntervalMs: wholeNumber(0),
  name: text,
}

function inboxProblems<Tx>(options: InboxOptions<Tx>): string[] {
  return optionProblems('', options, inboxRules, ['store'])
}

/** An object, perhaps of a class, with these methods. */
function methods(...names: readonly string[]): OptionRule {
  return (value, path) => {
    const given = value as Readonly<Record<string, unknown>>
    return (
      object(value, path) ??
      names.map((name) => callable(given[name], `${path}.${name}`)).find((problem) => problem !== undefined)
    )
  }
}
