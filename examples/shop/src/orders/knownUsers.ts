import { idKey } from '../idKey.js'

/** The users that the order service has heard of. In memory: about 100 bytes each; a real shop keeps them in a table. */
export interface KnownUsers {
  has(userId: string): boolean
  add(userId: string): void
  /** Resolves true as soon as the user is known, false after `patienceMs` milliseconds. */
  whenKnown(userId: string, patienceMs: number): Promise<boolean>
  readonly size: number
}

export function createKnownUsers(): KnownUsers {
  const known = new Set<string>()
  const waiters = new Map<string, Set<() => void>>()

  function wait(key: string, patienceMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const waiting = waiters.get(key) ?? new Set()
      waiters.set(key, waiting)
      const end = (isKnown: boolean): void => {
        clearTimeout(timer)
        waiting.delete(arrived)
        if (waiting.size === 0) waiters.delete(key)
        resolve(isKnown)
      }
      const arrived = (): void => end(true)
      // It alone must not keep a process that is about to end.
      const timer = setTimeout(() => end(false), patienceMs).unref()
      waiting.add(arrived)
    })
  }

  return {
    has: (userId) => known.has(idKey(userId)),
    add(userId) {
      const key = idKey(userId)
      known.add(key)
      for (const arrived of waiters.get(key) ?? []) arrived()
    },
    whenKnown(userId, patienceMs) {
      const key = idKey(userId)
      return known.has(key) ? Promise.resolve(true) : wait(key, patienceMs)
    },
    get size() {
      return known.size
    },
  }
}
