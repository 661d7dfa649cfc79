import type { Contract } from '@posthorn/contracts'
import { NonRetryableError } from '../errors.js'
import { deriveId } from '../ids.js'
import type { MessageOptions } from '../publisher/messageBuilder.js'
import type { IncomingMessage } from './handler.js'

/** What tells one message of a handler from another; `causedBy` for batches. */
export interface FollowUpFacts {
  readonly step?: string
  readonly causedBy?: IncomingMessage
}

/** Where the messages of a handler go. */
export type FollowUpTarget<Options extends MessageOptions, Result> = <Data>(
  contract: Contract<Data>,
  data: Data,
  options: Options,
) => Promise<Result>

/** One message of a handler. */
export interface FollowUp<Data, Options extends MessageOptions> {
  readonly contract: Contract<Data>
  readonly data: Data
  readonly options: Options & FollowUpFacts
}

/** The messages that one call of a handler publishes. */
export interface FollowUps {
  /**
   * Gives the message to `target` with an id that follows from its cause, so that a repeated call repeats it, and with the
   * cause's correlation. Rejects with `POSTHORN_REPEATED_ID` where two messages of the call would share an id.
   */
  publish<Data, Options extends MessageOptions, Result>(
    message: FollowUp<Data, Options>,
    target: FollowUpTarget<Options, Result>,
  ): Promise<Result>
}

/** For one call of a handler of `group` that works on `items`. */
export function createFollowUps(group: string, items: readonly IncomingMessage[]): FollowUps {
  const publishedIds = new Set<string>()

  function refuseRepeated(id: string, contract: Contract<never>): void {
    if (publishedIds.has(id)) {
      throw new NonRetryableError(
        `Two messages of ${contract.type} with one key in one attempt would share an id; name a step for each: ` +
          "context.publish(contract, data, { step: 'refund' })",
        { code: 'POSTHORN_REPEATED_ID' },
      )
    }
    publishedIds.add(id)
  }

  async function publish<Data, Options extends MessageOptions, Result>(
    { contract, data, options }: FollowUp<Data, Options>,
    target: FollowUpTarget<Options, Result>,
  ): Promise<Result> {
    const { step, causedBy, ...messageOptions } = options
    const cause = (causedBy ?? items[0]!).envelope
    const key = options.partitionKey ?? keyOf(contract, data)
    const id = options.id ?? deriveId([cause.source, cause.id, group, contract.type, key, step])
    refuseRepeated(id, contract)
    try {
      return await target(contract, data, {
        ...(messageOptions as unknown as Options),
        correlationId: options.correlationId ?? cause.correlationid ?? cause.id,
        causationId: options.causationId ?? cause.id,
        id,
      })
    } catch (error) {
      publishedIds.delete(id) // Repeating it is what the error asks for.
      throw error
    }
  }

  return { publish }
}

/** Data that is invalid may have no key to read; the publisher says so better than whatever the function throws. */
function keyOf<Data>(contract: Contract<Data>, data: Data): string | undefined {
  try {
    return contract.partitionKey(data)
  } catch {
    return undefined
  }
}
