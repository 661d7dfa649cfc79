import { noHeaders } from '@posthorn/core/adapter'
import type { WireMessage } from '@posthorn/core/adapter'

type Headers = WireMessage['headers']

/** A frozen copy without a prototype, shared by all queues that a message goes to. */
export function frozenHeaders(headers: Headers): Headers {
  const names = Object.keys(headers)
  if (names.length === 0) return noHeaders
  const copy = Object.create(null) as Record<string, string>
  for (const name of names) copy[name] = headers[name] as string
  return Object.freeze(copy)
}

/** One message in one queue. A class for its fixed shape: there is one for each message. */
export class StoredMessage {
  readonly body: Uint8Array | null
  readonly headers: Headers
  readonly contentType: string
  readonly id: string
  readonly type: string
  readonly partitionKey: string | undefined
  readonly bytes: number
  /** When its delay ends, on the broker's `clock.monotonic()`. */
  readonly dueAt: number
  /** Its place in the backlog of its lane: kept when it is given back. */
  position = 0
  /** The lane of its queue. */
  lane = 0
  /** Its index in the list of what its member holds. */
  slot = 0
  /** Connections that were lost while it was unsettled. */
  redeliveries = 0
  /** Changes with every delivery and every settlement: an older delivery of this message is stale. */
  ticket = 0

  constructor(message: WireMessage, headers: Headers, dueAt: number) {
    this.body = message.body
    this.headers = headers
    this.contentType = message.contentType
    this.id = message.id
    this.type = message.type
    this.partitionKey = message.partitionKey
    this.bytes = message.body === null ? 0 : message.body.byteLength
    this.dueAt = dueAt
  }
}
