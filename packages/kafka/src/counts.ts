/**
 * What a transport counts since it was made; plain numbers, raised where things happen. `health()` shows them, and metrics
 * are made of them.
 */
export interface Counts {
  /** Publishes that all in-sync replicas confirmed. */
  confirmed: number
  /** Publishes that the broker, or its client, refused for good. */
  refused: number
  /** Batches that were sent, repeated ones included: `confirmed` divided by it is how well messages share them. */
  batches: number
  /** Publishes that were sent again, with the same id, after a failed attempt; some may stand twice in the log. */
  resent: number
  /** Batches that were divided, since the broker took them or one of their messages not. */
  divided: number
  /** Times that partitions were assigned anew, the first time of each consumer included. */
  assignments: number
  /** Partitions that a rebalance gave to somebody else, or that began anew. */
  lostPartitions: number
  /** Deliveries that were settled after their partition was lost; whoever has it gets them again. */
  staleSettlements: number
  /** Commits of offsets that were accepted. */
  commits: number
  /** Commits that were refused, or not answered; they are repeated, where the partition is still ours. */
  failedCommits: number
  /** Partitions in which the offset of a group did not exist any more: messages were deleted, or the topic was made anew. */
  lostOffsets: number
  /** Consumers that died, or gave no sign of life, and were made anew. */
  replaced: number
  /** Consumers of these that fetched nothing although their partitions had messages. */
  stalled: number
  /** Times that an open transaction of some producer held back what is behind it for as long as the watchdog looks twice. */
  openTransactions: number
  /** Partitions in which messages go one by one, since processes had crashed with them. */
  cautions: number
  /** Times that the event loop was blocked for a quarter of the session timeout or longer. */
  loopBlocks: number
}

/** All zero. */
export function createCounts(): Counts {
  return {
    confirmed: 0,
    refused: 0,
    batches: 0,
    resent: 0,
    divided: 0,
    assignments: 0,
    lostPartitions: 0,
    staleSettlements: 0,
    commits: 0,
    failedCommits: 0,
    lostOffsets: 0,
    replaced: 0,
    stalled: 0,
    openTransactions: 0,
    cautions: 0,
    loopBlocks: 0,
  }
}
