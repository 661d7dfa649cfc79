import type { Envelope } from '@posthorn/contracts'
import type { TimerHandle } from '../clock.js'
import { traceIdOf } from '../logs/traceIds.js'
import type { Delivery } from '../ports.js'
import type { MessagingKit } from '../publisher/publisherOptions.js'
import type { Telemetry } from '../telemetry.js'
import { readDeadLetter } from './deadLetters.js'
import type { DeadLetter, DeadLetterHandler } from './deadLetters.js'
import { createFifo } from './fifo.js'

/**
 * What a reader holds at most. Far more than it works on: refused ones rest here, since a broker would deliver them again
 * before all others, and nobody would ever see those.
 */
export const deadLetterWindow = { maxInFlight: 1_000, maxInFlightBytes: 67_108_864 } as const
/** Handlers at once. */
const maxRunning = 100
/** How long a refused one rests, the first and at most; it doubles. */
const rest = { firstMs: 1_000, maxMs: 60_000 }
/** Given back before that, since another process may know more; sooner where the transport lets us hold it for less than twice. */
const maxHeldMs = 300_000

/** Where dead letters are handed to their handler. */
export interface DeadLetterIntake {
  take(deliveries: readonly Delivery[]): void
  /** Gives back what rests or waits; resolves when no handler runs. */
  stop(): Promise<void>
}

/** A dead letter that is not settled. */
interface Held {
  readonly delivery: Delivery
  /** On the monotonic clock. */
  readonly until: number
  refusals: number
  /** Rests. */
  timer: TimerHandle | undefined
}

/** Where the dead letters come from. */
interface Source {
  readonly destination: string
  readonly group: string
}

/** Turns deliveries of a dead-letter queue into calls of a handler; settles each after its handler. */
export function createDeadLetterIntake(
  kit: MessagingKit,
  { destination, group }: Source,
  handler: DeadLetterHandler,
): DeadLetterIntake {
  const { clock, logger, transport } = kit
  const heldMs = Math.min(maxHeldMs, (transport.capabilities.maxHoldMs ?? Infinity) / 2)
  const waiting = createFifo<Held>()
  /** Those that the handler has refused at least once, until they are settled; with a timer they rest. */
  const refused = new Set<Held>()
  const running = new Set<Promise<void>>()
  let isFull = false
  let isStopped = false

  function read(delivery: Delivery): DeadLetter {
    let envelope: Envelope | undefined
    try {
      const found = kit.wireFormatOf(destination).read(delivery, kit.wireContext)
      if (found !== 'foreign') envelope = found
    } catch {
      // The reason why it is here; the body is handed over as it is.
    }
    return readDeadLetter(delivery, envelope)
  }

  function observed(telemetry: Telemetry, delivery: Delivery, deadLetter: DeadLetter): unknown {
    const messages = [{ delivery, envelope: deadLetter.envelope }]
    const processing = { destination, group, source: 'dead' as const, isBatch: false, messages }
    return telemetry.process(processing, () => handler(deadLetter))
  }

  async function handle(held: Held): Promise<void> {
    const { delivery } = held
    let deadLetter: DeadLetter | undefined
    try {
      deadLetter = read(delivery)
      if (kit.telemetry?.isActive === true) await observed(kit.telemetry, delivery, deadLetter)
      else await handler(deadLetter)
      delivery.complete()
      refused.delete(held)
      isFull = false
    } catch (error) {
      const { address, headers } = delivery
      const { id, type } = deadLetter?.envelope ?? {}
      const message = { messageId: id ?? delivery.id, type, traceId: traceIdOf(deadLetter?.envelope, headers) }
      const facts = { event: 'deadLetter.refused', destination, group, ...message, address, err: error }
      logger.warn(facts, 'A dead-letter handler failed; the dead letter stays')
      lay(held)
    }
  }

  /** Lets it rest. At its end it goes to the handler again, or back to the broker. */
  function lay(held: Held): void {
    if (isStopped) return giveBack(held)
    held.refusals += 1
    const restMs = Math.min(rest.maxMs, rest.firstMs * 2 ** Math.min(held.refusals - 1, 30))
    const wake = (): void => {
      held.timer = undefined
      // It would not be held for another such wait.
      if (clock.monotonic() + restMs > held.until) return giveBack(held)
      waiting.push(held)
      pump()
    }
    held.timer = clock.schedule(restMs, wake, { background: true })
    if (held.refusals > 1) return
    refused.add(held)
    noteFull()
  }

  /** The broker delivers it again; one that was lost is on its way already. */
  function giveBack(held: Held): void {
    refused.delete(held)
    held.delivery.release()
  }

  function pump(): void {
    while (running.size < maxRunning) {
      const held = waiting.shift()
      if (held === undefined) return
      if (held.delivery.lost?.aborted === true || clock.monotonic() > held.until) {
        giveBack(held)
        continue
      }
      const work = handle(held).finally(() => {
        running.delete(work)
        pump()
      })
      running.add(work)
    }
  }

  /** Nothing else comes when all that may be held was refused; said once, until the handler takes one. */
  function noteFull(): void {
    if (isFull) return
    let bytes = 0
    let count = 0
    for (const { delivery } of refused) {
      if (delivery.lost?.aborted === true) continue
      count += 1
      bytes += delivery.body?.byteLength ?? 0
    }
    isFull = count >= deadLetterWindow.maxInFlight || bytes >= deadLetterWindow.maxInFlightBytes
    if (!isFull) return
    const facts = { event: 'deadLetter.full', destination, group, refused: count, bytes }
    logger.warn(facts, 'A dead-letter reader holds only what its handler refused, and sees no others')
  }

  return {
    take(deliveries) {
      const until = clock.monotonic() + heldMs
      for (const delivery of deliveries) waiting.push({ delivery, until, refusals: 0, timer: undefined })
      pump()
    },
    async stop() {
      isStopped = true
      for (const held of refused) {
        held.timer?.cancel()
        if (held.timer !== undefined) giveBack(held)
      }
      for (const held of waiting.drain()) giveBack(held)
      await Promise.allSettled(running)
    },
  }
}
