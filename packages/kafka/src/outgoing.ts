import type { Deadlines, PublishError, SendOptions } from '@posthorn/core/adapter'
import type { OutgoingRecord } from './driver/driver.js'

/** What a send that fails now would have done to the log. */
export type Risk =
  /** Nothing: no attempt has reached a broker. */
  | 'none'
  /** An attempt is under way. */
  | 'underWay'
  /** An attempt ended without telling. */
  | 'written'

/** A message on its way to its confirmation: settled once, by its confirmation, its deadline, its signal or an error. */
export interface Outgoing {
  readonly record: OutgoingRecord
  /** What it takes in a batch, roughly. */
  readonly bytes: number
  risk: Risk
  readonly settled: boolean
  confirm(): void
  fail(errorOf: (outcome: 'notSent' | 'unknown') => PublishError): void
}

/** Why the caller does not wait any longer. */
export type GivingUp = 'deadline' | 'aborted'

export interface OutgoingParts {
  readonly record: OutgoingRecord
  readonly options: SendOptions
  readonly deadlines: Deadlines
  readonly resolve: () => void
  readonly reject: (error: PublishError) => void
  /** What the caller gets when it gives up. */
  readonly givingUp: (why: GivingUp, outcome: 'notSent' | 'unknown') => PublishError
}

/** Lengths of a record's frame and of a header's, at most, in Kafka's format. */
const recordOverhead = 40
const headerOverhead = 8

export function createOutgoing(parts: OutgoingParts): Outgoing {
  const { record, options, deadlines } = parts
  let settled = false

  const outgoing: Outgoing = {
    record,
    bytes: bytesOf(record),
    risk: 'none',
    get settled() {
      return settled
    },
    confirm() {
      if (settle()) parts.resolve()
    },
    fail(errorOf) {
      if (settle()) parts.reject(errorOf(outgoing.risk === 'none' ? 'notSent' : 'unknown'))
    },
  }

  function settle(): boolean {
    if (settled) return false
    settled = true
    deadline.clear()
    options.signal?.removeEventListener('abort', onAbort)
    return true
  }

  const onAbort = (): void => outgoing.fail((outcome) => parts.givingUp('aborted', outcome))
  const deadline = deadlines.watch(options.deadline, () =>
    outgoing.fail((outcome) => parts.givingUp('deadline', outcome)),
  )
  options.signal?.addEventListener('abort', onAbort, { once: true })
  return outgoing
}

function bytesOf({ key, value, headers }: OutgoingRecord): number {
  let bytes = recordOverhead + (key?.length ?? 0) + (value?.length ?? 0)
  for (const name in headers) bytes += headerOverhead + name.length * 3 + headers[name]!.length * 3
  return bytes
}
