import type { MemoryStore, NewEntry } from '../../../src/index.js'
import type { SimBroker } from './simBroker.js'
import type { SimClock } from './simClock.js'

/** What the writers did, which is what must arrive. */
export interface Ledger {
  /** Committed ids of each key in the order of their commits, those for later left out. */
  readonly committed: Map<string, string[]>
  readonly later: Map<string, number>
  readonly rolledBack: Set<string>
}

/** Transactions of all lengths, each holding a lock on its keys as a row lock does; one of five is rolled back. */
export class Writers {
  readonly ledger: Ledger = { committed: new Map(), later: new Map(), rolledBack: new Set() }
  #count = 0
  readonly #locked = new Set<string>()

  constructor(
    readonly clock: SimClock,
    readonly store: MemoryStore,
    readonly broker: SimBroker,
    readonly random: () => number,
  ) {}

  async write(): Promise<void> {
    const { clock, random } = this
    const keys = ['a', 'b', 'c', 'd', 'e'].filter((key) => random() < 0.4 && !this.#locked.has(key))
    for (const key of keys) this.#locked.add(key)
    const tx = this.store.begin()
    const written: { key: string; id: string; notBefore: Date | undefined }[] = []
    for (const key of keys) {
      for (let left = 1 + Math.floor(random() * 3); left > 0; left -= 1) {
        const entry = this.#entry(key)
        await this.store.insert(tx, [entry])
        written.push({ key, id: entry.message.id, notBefore: entry.notBefore })
        if (random() < 0.3) await clock.after(random() * 20)
      }
    }
    await clock.after(random() < 0.1 ? random() * 2_000 : random() * 30)
    if (random() < 0.2) {
      await tx.rollback()
      for (const { id } of written) this.ledger.rolledBack.add(id)
    } else {
      await tx.commit()
      for (const one of written) this.#note(one)
    }
    for (const key of keys) this.#locked.delete(key)
  }

  #entry(key: string): NewEntry {
    const id = `${key}-${(this.#count += 1)}`
    const { random } = this
    if (random() < 0.03) this.broker.refusals.set(id, random() < 0.5 ? 1 : 1_000_000)
    const message = { body: null, contentType: 'text/plain', id, type: 'noted', partitionKey: key, headers: {} }
    const notBefore = random() < 0.05 ? new Date(this.clock.now() + random() * 1_500) : undefined
    return { destination: 'orders', mustRoute: false, message, ...(notBefore === undefined ? {} : { notBefore }) }
  }

  #note({ key, id, notBefore }: { key: string; id: string; notBefore: Date | undefined }): void {
    const { committed, later } = this.ledger
    if (notBefore !== undefined) later.set(id, notBefore.getTime())
    else committed.set(key, [...(committed.get(key) ?? []), id])
  }
}
