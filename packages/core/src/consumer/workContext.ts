import type { Contract } from '@posthorn/contracts'
import { LifecycleError, NonRetryableError } from '../errors.js'
import { deriveId } from '../ids.js'
import type { Logger } from '../logger.js'
import type { Publisher } from '../publisher/publisher.js'
import type { PublishResult } from '../publisher/publishOptions.js'
import type { BatchContext, BatchItem, FollowUpOptions, HandlerContext } from './handler.js'
import type { HandlerCall } from './middleware.js'

/** What all calls of one consumer share. */
export interface WorkSurroundings {
  readonly group: string
  readonly logger: Logger
  readonly publisher: Publisher | undefined
}

/** What a handler publishes with; `causedBy` for batches. */
type AnyFollowUp = FollowUpOptions & { readonly causedBy?: BatchItem }

type WorkPublish = <Data>(contract: Contract<Data>, data: Data, options?: AnyFollowUp) => Promise<PublishResult>

/** Data that is invalid may have no key to read; the publisher says so better than whatever the function throws. */
function keyOf<Data>(contract: Contract<Data>, data: Data): string | undefined {
  try {
    return contract.partitionKey(data)
  } catch {
    return undefined
  }
}

/**
 * One call of a handler: the call itself and its context in one object. The signal and the logger are made when they
 * are read: an AbortController and a child logger per message cost 20 to 40 % of a whole consume.
 */
export class Work implements HandlerContext, BatchContext, HandlerCall {
  readonly #surroundings: WorkSurroundings
  readonly contract: Contract
  readonly items: readonly BatchItem[]
  readonly destination: string
  /** On the monotonic clock; set while the call is watched. */
  startedAt = 0
  /** Its time was over before it settled. */
  late = false
  slot = -1
  #controller: AbortController | undefined
  #abortReason: unknown
  #logger: Logger | undefined
  #publishedIds: Set<string> | undefined

  constructor(surroundings: WorkSurroundings, contract: Contract, items: readonly BatchItem[]) {
    this.#surroundings = surroundings
    this.contract = contract
    this.items = items
    this.destination = contract.destination
  }

  get context(): this {
    return this
  }

  get group(): string {
    return this.#surroundings.group
  }

  get attempt(): number {
    let highest = 1
    for (const item of this.items) if (item.attempt > highest) highest = item.attempt
    return highest
  }

  get headers(): Readonly<Record<string, string>> {
    return this.items[0]!.headers
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason)
    }
    return this.#controller.signal
  }

  get logger(): Logger {
    this.#logger ??= this.#surroundings.logger.child({
      messageId: this.items[0]!.envelope.id,
      type: this.contract.type,
      attempt: this.attempt,
    })
    return this.#logger
  }

  /** Fires the signal, also one that nobody has read yet. */
  abort(reason: unknown): void {
    this.#abortReason ??= reason
    this.#controller?.abort(reason)
  }

  get aborted(): boolean {
    return this.#abortReason !== undefined
  }

  /** A getter, so that `({ data }, { publish }) => publish(…)` works as well. */
  get publish(): WorkPublish {
    return (contract, data, options = {}) => this.#publish(contract, data, options)
  }

  async #publish<Data>(contract: Contract<Data>, data: Data, options: AnyFollowUp): Promise<PublishResult> {
    const { publisher, group } = this.#surroundings
    if (publisher === undefined) {
      throw new LifecycleError({ code: 'POSTHORN_NOT_STARTED', message: 'This consumer has no publisher' })
    }
    const { step, causedBy, ...publishOptions } = options
    const cause = (causedBy ?? this.items[0]!).envelope
    const key = options.partitionKey ?? keyOf(contract, data)
    const id = options.id ?? deriveId([cause.source, cause.id, group, contract.type, key, step])
    this.#refuseRepeated(id, contract)
    try {
      return await publisher.publish(contract, data, {
        ...publishOptions,
        correlationId: options.correlationId ?? cause.correlationid ?? cause.id,
        causationId: options.causationId ?? cause.id,
        id,
      })
    } catch (error) {
      this.#publishedIds?.delete(id) // Repeating it is what the error asks for.
      throw error
    }
  }

  #refuseRepeated(id: string, contract: Contract<never>): void {
    this.#publishedIds ??= new Set()
    if (this.#publishedIds.has(id)) {
      throw new NonRetryableError(
        `Two messages of ${contract.type} with one key in one attempt would share an id; name a step for each: ` +
          "context.publish(contract, data, { step: 'refund' })",
        { code: 'POSTHORN_REPEATED_ID' },
      )
    }
    this.#publishedIds.add(id)
  }
}
