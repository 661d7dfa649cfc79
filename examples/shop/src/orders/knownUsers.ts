import { idKey } from '../idKey.js'

/**
 * The users of whom the order service has heard. What was heard in this process is remembered here, about 100 bytes each; the
 * table knows the rest.
 */
export interface KnownUsers {
  has(userId: string): Promise<boolean>
  add(userId: string): void
  /** Resolves true as soon as the user is known, false after `patienceMs` milliseconds. */
  whenKnown(userId: string, patienceMs: number): Promise<boolean>
  /** Asks the table about those that are waited for: their news may have come to another process. */
  look(): Promise<void>
  readonly size: number
}

/** Which of these keys are in the table. */
export type UserLookup = (keys: readonly string[]) => Promise<readonly string[]>

export function createKnownUsers(lookup: UserLookup): KnownUsers {
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

  function note(key: string): void {
    known.add(key)
    for (const arrived of waiters.get(key) ?? []) arrived()
  }

  return {
    async has(userId) {
      const key = idKey(userId)
      if (!known.has(key)) for (const found of await lookup([key])) note(found)
      return known.has(key)
    },
    add: (userId) => note(idKey(userId)),
    async whenKnown(userId, patienceMs) {
      const key = idKey(userId)
      return known.has(key) || wait(key, patienceMs)
    },
    async look() {
      if (waiters.size > 0) for (const found of await lookup([...waiters.keys()])) note(found)
    },
    get size() {
      return known.size
    },
  }
}
