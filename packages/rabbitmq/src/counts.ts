/**
 * What a transport counts since it was made; plain numbers, raised where things happen. `health()` shows them, and metrics
 * are made of them.
 */
export interface Counts {
  /** Publishes that the broker confirmed. */
  confirmed: number
  /** Publishes that the broker refused (`basic.nack`): a full queue, or an error inside the broker. */
  refused: number
  /** Publishes that came back because no queue took them. */
  returned: number
  /** Events of these that were kept in the queue of unrouted ones. */
  kept: number
  /** Events of these that could not be kept: the queue was full, or did not answer in time. */
  notKept: number
  /** Publishes that were written a second time, with the same id, after a channel or connection broke. */
  resent: number
  /** Publishing connections that were replaced, since the broker answered nothing on them. */
  silences: number
  /** Publishing channels that the broker closed. */
  channelFailures: number
  /** Times that the broker stopped taking messages (`connection.blocked`: a memory or disk alarm). */
  blocked: number
  /** Secrets that running connections got before the old ones expired. */
  refreshedSecrets: number
  /** Deliveries that were settled after their channel was gone; the broker delivers them again. */
  staleSettlements: number
  /** Consumers that the broker cancelled: a deleted or moved queue, or a delivery that was held too long. */
  cancelled: number
  /** Consumers that were made again after an outage of any kind. */
  resubscribed: number
  /** Consumers that got nothing although their queue had messages, and were made again. */
  stalled: number
  /** Times that messages began to go one by one, since processes had crashed with them. */
  cautions: number
  /** Times that a queue for retries or dead letters was gone, and what the group needs was declared again. */
  repaired: number
  /** Times that the event loop was blocked for half a heartbeat or longer. */
  loopBlocks: number
}

/** All zero. */
export function createCounts(): Counts {
  return {
    confirmed: 0,
    refused: 0,
    returned: 0,
    kept: 0,
    notKept: 0,
    resent: 0,
    silences: 0,
    channelFailures: 0,
    blocked: 0,
    refreshedSecrets: 0,
    staleSettlements: 0,
    cancelled: 0,
    resubscribed: 0,
    stalled: 0,
    cautions: 0,
    repaired: 0,
    loopBlocks: 0,
  }
}
