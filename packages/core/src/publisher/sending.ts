import type { Contract } from '@posthorn/contracts'
import type { DeadlineEntry } from '../deadlines.js'
import { PublishError, codeOf } from '../errors.js'
import type { Transport, WireMessage } from '../ports.js'
import { none } from './publishOptions.js'
import type { PublishOptions, PublishResult } from './publishOptions.js'

/** What a message weighs in the window beside its body. */
const overheadBytes = 256

/** One publish under way. It is its own deadline: the core's net behind the transport's. */
export class Sending implements DeadlineEntry {
  readonly #fail: (sending: Sending, error: unknown) => void
  readonly contract: Contract
  readonly message: WireMessage
  readonly bytes: number
  options: PublishOptions = none
  resolve: (result: PublishResult) => void = ignore
  reject: (error: unknown) => void = ignore
  /** Handed to the transport, and not settled. */
  open = false
  at: number = Infinity
  slot = -1

  constructor(fail: (sending: Sending, error: unknown) => void, contract: Contract, message: WireMessage) {
    this.#fail = fail
    this.contract = contract
    this.message = message
    this.bytes = (message.body?.length ?? 0) + overheadBytes
  }

  onDue(): void {
    this.#fail(this, neverSettled(this.contract))
  }
}

function ignore(): void {}

function neverSettled(contract: Contract): PublishError {
  return new PublishError({
    code: 'POSTHORN_PUBLISH_DEADLINE',
    outcome: 'unknown',
    message: `The transport did not settle a publish of ${contract.type} by its deadline; repeat it with the same id`,
  })
}

/** The broker confirmed a message that no queue took: it is gone. */
export function unrouted(contract: Contract): PublishError {
  return new PublishError({
    code: 'POSTHORN_PUBLISH_UNROUTED',
    outcome: 'notSent',
    message: `Nobody receives ${contract.type} on ${contract.destination}; start its consumer, then publish again`,
    details: { type: contract.type, destination: contract.destination },
  })
}

/**
 * A deadline that passed while the broker was away names where it was looked for and what to do; the error of the
 * adapter is the cause. Here, so that every transport says the same.
 */
export function explainAbsence(error: unknown, transport: Transport): unknown {
  if (codeOf(error) !== 'POSTHORN_PUBLISH_DEADLINE') return error
  const { state, addresses, reasons } = transport.health()
  if (state === 'ready') return error
  const why = reasons.map(({ what }) => what).join('; ')
  const { message, outcome, details } = error as PublishError
  return new PublishError({
    code: 'POSTHORN_PUBLISH_DEADLINE',
    outcome,
    message:
      `${message} The broker at ${addresses.join(', ')} is ${state}${why === '' ? '' : ` (${why})`}; ` +
      'check that it runs and can be reached, then publish again with the same id',
    details: { ...details, addresses, state },
    cause: error,
  })
}
