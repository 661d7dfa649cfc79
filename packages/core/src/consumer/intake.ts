import type { Envelope } from '@posthorn/contracts'
import { SerializationError, codeOf } from '../errors.js'
import type { RawMessage } from '../envelope/wireFormat.js'
import type { MessagingKit } from '../publisher/publisherOptions.js'
import { maxDelayMs } from './consumerOptions.js'
import type { ResolvedConsumerOptions } from './consumerOptions.js'
import { copyHeader, countHeader } from './copyHeaders.js'
import type { DeadLetterReason } from './copyHeaders.js'
import { expiryMs } from './expiry.js'
import type { HandlerTable } from './handlerTable.js'
import { dataOf } from './inFlight.js'
import type { InFlight } from './inFlight.js'
import { messageFacts } from './messageFacts.js'
import type { SkipReason } from './reasonCounts.js'

/** What is to be done with a delivery that was just read. */
export type Admission =
  | { readonly kind: 'handle' }
  | { readonly kind: 'skip'; readonly reason: SkipReason }
  /** Its time has not come: nothing is counted. */
  | { readonly kind: 'wait'; readonly remainingMs: number; readonly notBeforeMs: number }
  | { readonly kind: 'deadLetter'; readonly reason: DeadLetterReason; readonly error: unknown }

export interface Intake {
  /** Reads and judges a delivery; fills in the item's envelope, handler and attempt. Never throws. */
  admit(item: InFlight): Admission
}

const handle: Admission = { kind: 'handle' }
const skipForeign: Admission = { kind: 'skip', reason: 'foreign' }
const skipUnhandled: Admission = { kind: 'skip', reason: 'unhandledType' }

/** What an intake judges by. */
export interface IntakeOptions {
  readonly kit: MessagingKit
  readonly group: string
  readonly options: ResolvedConsumerOptions
  readonly table: HandlerTable
}

export function createIntake({ kit, group, options, table }: IntakeOptions): Intake {
  const { foreign, validation, maxCrashes, unhandledTypes } = options
  const { clock, logger, transport, wireContext } = kit

  /** Undefined for a foreign message that is to be skipped. */
  function read(item: InFlight): Envelope | undefined {
    const raw: RawMessage = item.delivery
    const found: unknown = kit.wireFormatOf(item.destination).read(raw, wireContext)
    if (typeof found === 'object' && found !== null) return found as Envelope
    if (found !== 'foreign') throw new TypeError("The wire format gave neither an envelope nor 'foreign'")
    if (foreign === 'skip') return undefined
    const adopted = typeof foreign === 'function' ? foreign(raw) : undefined
    if (adopted !== undefined) return adopted
    throw new SerializationError({
      code: 'POSTHORN_FOREIGN',
      message: `The message at ${item.delivery.address} is no CloudEvent (content type ${JSON.stringify(raw.contentType.slice(0, 100))})`,
    })
  }

  function crashed(item: InFlight): boolean {
    return transport.capabilities.countsRedeliveries && (item.delivery.brokerRedeliveries ?? 0) > maxCrashes
  }

  function checkData(item: InFlight): void {
    if (validation === 'off') return
    try {
      item.entry!.validate(dataOf(item.envelope!))
    } catch (error) {
      if (validation !== 'warn') throw error
      logger.warn({ event: 'consume.invalid', ...messageFacts(item, group), err: error }, 'Handling invalid data')
    }
  }

  /** The order of questions: readable, ours, alive, due, valid. */
  function judge(item: InFlight): Admission {
    const envelope = read(item)
    if (envelope === undefined) return skipForeign
    kit.validateEnvelope(envelope)
    item.envelope = envelope
    const { headers } = item.delivery
    // A repetition within the process reads the body anew, but has counted by itself.
    if (item.attempt === 0) item.attempt = countHeader(headers, copyHeader.attempt) ?? 1
    item.entry = table.get(envelope.type)
    if (item.entry === undefined) {
      return unhandledTypes === 'skip' ? skipUnhandled : dead('unhandledType', `No handler for ${envelope.type}`)
    }
    if (envelope.expirytime !== undefined && expiryMs(envelope) <= clock.now())
      return dead('expired', `The message expired at ${envelope.expirytime}`)
    if (crashed(item)) {
      return dead('crashLoop', `${item.delivery.brokerRedeliveries} deliveries ended without an answer`)
    }
    const notBeforeMs = countHeader(headers, copyHeader.notBefore, 15)
    if (notBeforeMs !== undefined) {
      const remainingMs = notBeforeMs - clock.now()
      // Beyond what we ever ask for, a stranger wrote it: such a message would go from rung to rung for ever, uncounted.
      if (remainingMs > 0 && remainingMs <= maxDelayMs) return { kind: 'wait', notBeforeMs, remainingMs }
    }
    checkData(item)
    return handle
  }

  return {
    admit(item) {
      try {
        return judge(item)
      } catch (error) {
        return { kind: 'deadLetter', reason: reasonOf(error), error }
      }
    },
  }
}

function dead(reason: DeadLetterReason, message: string): Admission {
  return { kind: 'deadLetter', reason, error: new Error(message) }
}

function reasonOf(error: unknown): DeadLetterReason {
  const code = codeOf(error)
  if (code === 'POSTHORN_FOREIGN') return 'foreign'
  return code === 'POSTHORN_INVALID_DATA' || code === 'POSTHORN_INVALID_ENVELOPE' ? 'invalid' : 'undecodable'
}
