import { OutboxError } from '@posthorn/core/adapter'

/** A transaction of a `createMemoryStore`: what is written with it becomes visible when it commits, all at once. */
export interface MemoryTransaction {
  /** Runs with the commit, in the order of the calls; never when the transaction is rolled back. */
  onCommit(action: () => void): void
  commit(): Promise<void>
  rollback(): Promise<void>
}

/** What the store sees of one of its transactions. */
export class OpenTransaction implements MemoryTransaction {
  readonly #effects: (() => void)[] = []
  readonly #undo: (() => void)[] = []
  #end: () => void = () => {}
  #isOpen = true
  /** Resolves when it has ended, either way. */
  readonly ended: Promise<void> = new Promise((resolve) => (this.#end = resolve))
  /** The transaction whose end this one waits for. */
  waitsFor: OpenTransaction | undefined

  get isOpen(): boolean {
    return this.#isOpen
  }

  onCommit(action: () => void): void {
    this.#refuseEnded()
    this.#effects.push(action)
  }

  /** Runs when it is rolled back. */
  onRollback(action: () => void): void {
    this.#undo.push(action)
  }

  async commit(): Promise<void> {
    this.#finish(this.#effects)
  }

  async rollback(): Promise<void> {
    this.#finish(this.#undo)
  }

  #finish(actions: readonly (() => void)[]): void {
    this.#refuseEnded()
    this.#isOpen = false
    for (const action of actions) action()
    this.#end()
  }

  #refuseEnded(): void {
    if (!this.#isOpen) throw noTransaction('The transaction has ended')
  }
}

/** The transaction behind a handle; throws `POSTHORN_NO_TRANSACTION` for anything else, and for one that has ended. */
export function openTransaction(handle: unknown): OpenTransaction {
  if (!(handle instanceof OpenTransaction)) throw noTransaction('The handle is no transaction of this store')
  if (!handle.isOpen) throw noTransaction('The transaction has ended')
  return handle
}

function noTransaction(what: string): OutboxError {
  return new OutboxError({
    code: 'POSTHORN_NO_TRANSACTION',
    message: `${what}; nothing was written. Give what begin() or transaction() gave.`,
  })
}
