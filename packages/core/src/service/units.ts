import { destinationProblem, groupProblem } from '@posthorn/contracts'
import { makeConsumer } from '../consumer/consumer.js'
import type { Consumer, ManagedConsumer } from '../consumer/consumer.js'
import type { ConsumerHealth } from '../consumer/consumerHealth.js'
import {
  consumerProblems,
  handlerProblems,
  resolveConsumerOptions,
  subscriptionsOf,
} from '../consumer/consumerOptions.js'
import type { ConsumerOptions } from '../consumer/consumerOptions.js'
import { createDeadLetterIntake, deadLetterWindow } from '../consumer/deadLetterIntake.js'
import type { DeadLetterHandler } from '../consumer/deadLetters.js'
import { optionProblems, refuseProblems, text } from '../optionProblems.js'
import { endedBy, neverStarted } from '../settledBy.js'
import type { RunningSubscription, Subscription } from '../ports.js'
import type { StartSteps } from '../startSteps.js'
import type { Publisher } from '../publisher/publisher.js'
import type { MessagingKit } from '../publisher/publisherOptions.js'

/** A group whose dead letters are read. */
export interface DeadLetterSource {
  readonly destination: string
  readonly group: string
}

/** Everything of one service that receives. */
export interface Units {
  addConsumer(group: string, options: ConsumerOptions): Consumer
  addDeadLetterReader(source: DeadLetterSource, handler: DeadLetterHandler): void
  /**
   * Calls lazy handlers and checks everything that is subscribed to; throws a `ConfigurationError`. Without I/O. Gives
   * what will be subscribed to.
   */
  prepare(): readonly Subscription[]
  /** Starts all at once, since joining a group can take seconds; rejects with the first failure when all have settled. */
  start(steps: StartSteps): Promise<void>
  stop(deadline: number): Promise<void>
  health(): ConsumerHealth[]
  consumers(): readonly ManagedConsumer[]
}

export function createUnits(kit: MessagingKit, publisher: Publisher): Units {
  const consumers = new Map<string, ManagedConsumer>()
  const readers: { readonly source: DeadLetterSource; readonly handler: DeadLetterHandler }[] = []
  const reading: RunningSubscription[] = []

  function problemsOf(group: string, options: ConsumerOptions): string[] {
    const problems = consumerProblems(group, options, kit.transport)
    if (consumers.has(group)) problems.push(`group ${group} is declared twice; put all its handlers into one consume()`)
    const handlers = options?.handlers
    if (!Array.isArray(handlers)) return problems
    // With problems so far the options may be anything: the bound that depends on them is checked with the others only.
    const maxInFlight = problems.length === 0 ? resolveConsumerOptions(options).maxInFlight : Infinity
    problems.push(...handlerProblems(handlers, maxInFlight, kit.registry))
    if (problems.length > 0) return problems
    const subscriptions = subscriptionsOf(group, handlers, resolveConsumerOptions(options))
    return [...kit.transport.check({ publishes: [], subscriptions })]
  }

  function readerProblems(source: DeadLetterSource, handler: unknown): string[] {
    const problems = optionProblems('source', source, { destination: text, group: text }, ['destination', 'group'])
    if (typeof handler !== 'function') problems.push('the handler must be a function')
    if (problems.length > 0) return problems
    const names = [destinationProblem(source.destination), groupProblem(source.group)]
    problems.push(...names.filter((problem) => problem !== undefined))
    problems.push(...kit.transport.check({ publishes: [], subscriptions: [deadSubscription(source)] }))
    return problems
  }

  async function read(reader: (typeof readers)[number], steps: StartSteps): Promise<void> {
    const intake = createDeadLetterIntake(kit, reader.source, reader.handler)
    const running = await steps.attempt(
      (options) => kit.transport.subscribe(deadSubscription(reader.source), (list) => intake.take(list), options),
      () => neverStarted(`subscription to the dead letters of ${reader.source.destination}`),
    )
    reading.push({
      async stop(deadline) {
        await running.stop(deadline)
        // Closing under a handler would leave its dead letter where it is, and its work would be done twice.
        await endedBy(kit.clock, deadline, intake.stop())
      },
    })
  }

  return {
    addConsumer(group, options) {
      refuseProblems(`The consumer of group ${String(group)}`, problemsOf(group, options))
      const consumer = makeConsumer({ kit, group, options, publisher })
      consumers.set(group, consumer)
      return consumer
    },
    addDeadLetterReader(source, handler) {
      refuseProblems('The dead-letter reader', readerProblems(source, handler))
      readers.push({ source, handler })
    },
    prepare() {
      const problems: string[] = []
      const subscriptions = [...consumers.values()].flatMap((consumer) => {
        const prepared = consumer.prepare()
        problems.push(...prepared.problems)
        return prepared.subscriptions
      })
      subscriptions.push(...readers.map(({ source }) => deadSubscription(source)))
      refuseProblems('The service', [...problems, ...kit.transport.check({ publishes: [], subscriptions })])
      return subscriptions
    },
    async start(steps) {
      const starts = [
        ...readers.map((reader) => read(reader, steps)),
        ...[...consumers.values()].map((consumer) => consumer.start(steps)),
      ]
      const failed = (await Promise.allSettled(starts)).find((result) => result.status === 'rejected')
      if (failed !== undefined) throw failed.reason
    },
    async stop(deadline) {
      const stops = [...consumers.values(), ...reading].map((unit) => unit.stop(deadline))
      await Promise.allSettled(stops.map((stopped) => endedBy(kit.clock, deadline, stopped)))
    },
    consumers: () => [...consumers.values()],
    health: () => [...consumers.values()].map((consumer) => consumer.health()),
  }
}

function deadSubscription(source: DeadLetterSource): Subscription {
  return {
    destination: source.destination,
    group: source.group,
    source: 'dead',
    types: 'all',
    rungsMs: [],
    ordered: false,
    ...deadLetterWindow,
  }
}
