import { OutboxError } from '@posthorn/core/adapter'
import type { InboxKey, InboxVerdict } from './ports.js'
import type { OpenTransaction } from './memoryTransaction.js'

interface Remembered {
  /** The transaction that remembers it; undefined once that has committed. */
  owner: OpenTransaction | undefined
  readonly receivedAt: number
}

const dayMs = 86_400_000

/** What consumers have seen. A key that a transaction remembers is locked until that ends, as a unique index does it. */
export class MemoryInbox {
  readonly #seen = new Map<string, Remembered>()
  readonly #retentionMs: number

  constructor(retentionMs: number) {
    this.#retentionMs = retentionMs
  }

  async remember(tx: OpenTransaction, key: InboxKey, now: () => number): Promise<InboxVerdict> {
    const name = JSON.stringify([key.consumer, key.source, key.id])
    for (;;) {
      const found = this.#seen.get(name)
      if (found === undefined) return this.#first(tx, { name, time: key.time?.getTime(), now: now() })
      if (found.owner === undefined || found.owner === tx) return 'duplicate'
      await waitForEnd(tx, found.owner)
    }
  }

  /** Forgets what was received before the retention; resolves with of how many days. */
  drop(now: number): number {
    const days = new Set<number>()
    for (const [name, { owner, receivedAt }] of this.#seen) {
      if (owner !== undefined || receivedAt >= now - this.#retentionMs) continue
      this.#seen.delete(name)
      days.add(Math.floor(receivedAt / dayMs))
    }
    return days.size
  }

  #first(
    tx: OpenTransaction,
    { name, time, now }: { name: string; time: number | undefined; now: number },
  ): InboxVerdict {
    if (time !== undefined && time < now - this.#retentionMs) return 'expired'
    const remembered: Remembered = { owner: tx, receivedAt: now }
    this.#seen.set(name, remembered)
    tx.onCommit(() => (remembered.owner = undefined))
    tx.onRollback(() => this.#seen.delete(name))
    return 'new'
  }
}

async function waitForEnd(tx: OpenTransaction, owner: OpenTransaction): Promise<void> {
  for (let next: OpenTransaction | undefined = owner; next !== undefined; next = next.waitsFor) {
    if (next !== tx) continue
    const message = 'Two transactions wait for each other. Roll this one back and repeat it.'
    throw new OutboxError({ code: 'POSTHORN_OUTBOX_UNAVAILABLE', message })
  }
  tx.waitsFor = owner
  await owner.ended
  tx.waitsFor = undefined
}
