import { fullJitter } from '../backoff.js'
import { pause } from '../pause.js'
import type { Delivery, RunningSubscription, Subscription } from '../ports.js'
import type { MessagingKit } from '../publisher/publisherOptions.js'
import { endedBy, graceMs, neverStarted, settledBy } from '../settledBy.js'
import type { StartSteps } from '../startSteps.js'

/** The subscriptions of one group: made together, stopped together, and made anew when it is asked for. */
export interface GroupIntake {
  /** Every subscription receives. */
  readonly isOpen: boolean
  /** Subscribes to all or to nothing; what comes after a `stop` meanwhile is stopped as well. */
  open(subscriptions: readonly Subscription[], steps: StartSteps): Promise<void>
  /** The same again, tried until it works or is stopped; never rejects. */
  reopen(subscriptions: readonly Subscription[]): Promise<void>
  /** Nothing is taken in after the call. Resolves when the transport has done its part; never rejects. */
  stop(deadline: number): Promise<unknown>
}

export interface GroupIntakeOptions {
  readonly kit: MessagingKit
  readonly group: string
  readonly onDeliveries: (destination: string, deliveries: readonly Delivery[]) => void
}

/** One attempt of `reopen` takes so long at the most. */
const attemptMs = 30_000
const backoff = { firstMs: 200, maxMs: 15_000 }

export function createGroupIntake({ kit, group, onDeliveries }: GroupIntakeOptions): GroupIntake {
  const { clock, transport, logger } = kit
  let running: RunningSubscription[] = []
  let isOpen = false
  /** Ends with each stop, and with it the wish for subscriptions that are still being made. */
  let round = new AbortController()

  async function open(subscriptions: readonly Subscription[], steps: StartSteps): Promise<void> {
    const { signal } = round
    const opened: RunningSubscription[] = []
    const subscribe = async (subscription: Subscription): Promise<void> => {
      const { destination } = subscription
      const one = await steps.attempt(
        (options) => transport.subscribe(subscription, (deliveries) => onDeliveries(destination, deliveries), options),
        () => neverStarted(`subscription to ${destination}`),
      )
      if (signal.aborted) return void one.stop(clock.monotonic() + graceMs).catch(() => {})
      opened.push(one)
      running.push(one)
    }
    const results = await Promise.allSettled(subscriptions.map(subscribe))
    const failed = results.find((result) => result.status === 'rejected')
    if (failed === undefined) {
      isOpen = !signal.aborted
      return
    }
    // All or nothing: a group that hears only some of its destinations looks healthy and is not.
    running = running.filter((one) => !opened.includes(one))
    const stops = opened.map((one) => one.stop(steps.deadline))
    await endedBy(clock, steps.deadline + graceMs, Promise.allSettled(stops))
    throw failed.reason
  }

  function stepsUntil(signal: AbortSignal): StartSteps {
    const deadline = clock.monotonic() + attemptMs
    return {
      deadline,
      attempt: (step, late) =>
        settledBy({ clock, deadline: deadline + graceMs, work: step({ deadline, signal }), late }),
    }
  }

  return {
    get isOpen() {
      return isOpen
    },
    open,
    async reopen(subscriptions) {
      const { signal } = round
      for (let failures = 1; !signal.aborted; failures += 1) {
        try {
          return await open(subscriptions, stepsUntil(signal))
        } catch (error) {
          if (signal.aborted) return
          const facts = { event: 'consumer.resubscribe', group, failures, err: error }
          logger.warn(facts, 'A consumer that resumed could not subscribe yet; still trying')
          await pause(clock, fullJitter(failures, backoff), signal)
        }
      }
    },
    stop(deadline) {
      round.abort()
      round = new AbortController()
      isOpen = false
      const stops = running.map((one) => one.stop(deadline))
      running = []
      return Promise.allSettled(stops)
    },
  }
}
