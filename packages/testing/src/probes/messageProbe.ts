import type { Contract } from '@posthorn/contracts'
import { on } from '@posthorn/core'
import type { Envelope, Handler, HandlerContext, HandlerRegistration } from '@posthorn/core'
import { createProbe } from './probe.js'
import type { Probe, ProbeOptions } from './probe.js'

/** One call of a handler, as a message probe records it before the handler runs. */
export interface SeenMessage<Data = unknown> {
  readonly data: Data
  readonly envelope: Envelope<Data>
  readonly attempt: number
  readonly headers: Readonly<Record<string, string>>
  readonly context: HandlerContext
  /** When the call began, on `performance.now()`. */
  readonly at: number
}

/** Collects every call of the handler that it gives to `consume`. */
export interface MessageProbe<Data = unknown> extends Probe<SeenMessage<Data>> {
  /** For the `handlers` of `service.consume`. */
  readonly handler: HandlerRegistration
}

/** What a message probe does beyond collecting. */
export interface MessageProbeOptions<Data> extends ProbeOptions<SeenMessage<Data>> {
  /** Called after a message was recorded; what it returns or throws settles the message. @default completes */
  readonly handler?: Handler<Data>
}

/** Makes a handler that records each of its calls, so that a test can wait for messages on any transport. */
export function createMessageProbe<Data>(
  contract: Contract<Data>,
  options: MessageProbeOptions<Data> = {},
): MessageProbe<Data> {
  const probe = createProbe<SeenMessage<Data>>(`${contract.type} on ${contract.destination}`, {
    describe: ({ data, attempt }) => `attempt ${attempt}: ${JSON.stringify(data)}`,
    ...options,
  })
  const handler = on(contract, (message, context) => {
    const { attempt, headers } = context
    probe.record({ ...message, attempt, headers, context, at: performance.now() })
    return options.handler?.(message, context)
  })
  return { ...probe, handler }
}
