/** How long a wait may take. */
export interface WaitOptions {
  /** Milliseconds until the wait rejects. Longer hides slowness, shorter fails on slow machines. @default the probe's */
  readonly timeoutMs?: number
}

/** How a probe waits and tells. */
export interface ProbeOptions<Item> extends WaitOptions {
  /** One short line about an item, for the error of a wait that failed. @default JSON, cut to 200 characters */
  readonly describe?: (item: Item) => string
}

/** Collects what happened, so that a test waits for it instead of sleeping. */
export interface Probe<Item> {
  /** Everything so far, in the order of arrival. */
  readonly items: readonly Item[]
  /** Adds an item and wakes who waits for it; bound, so that it can be handed over as a callback. */
  readonly record: (item: Item) => void
  /** Resolves with the first item that matches, past ones included; rejects with a `ProbeTimeoutError`. */
  waitFor(matches: (item: Item) => boolean, options?: WaitOptions): Promise<Item>
  /** Resolves with all items as soon as there are at least `count`; rejects with a `ProbeTimeoutError`. */
  waitForCount(count: number, options?: WaitOptions): Promise<readonly Item[]>
}

/** A wait that ended without what it waited for. The message says what was seen instead. */
export class ProbeTimeoutError extends Error {
  /** What the probe had collected by then. */
  readonly seen: readonly unknown[]

  constructor(message: string, seen: readonly unknown[]) {
    super(message)
    this.name = 'ProbeTimeoutError'
    this.seen = seen
  }
}

interface Waiter {
  /** True when the wait is over. */
  readonly check: () => boolean
}

/** How long probes wait unless told otherwise. */
export const defaultTimeoutMs = 5_000
const maxShown = 10
const maxShownLength = 200

/** Makes a probe; `name` says in errors what it collects: `'dead letters of billing'`. */
export function createProbe<Item>(name: string, options: ProbeOptions<Item> = {}): Probe<Item> {
  const items: Item[] = []
  const waiters = new Set<Waiter>()
  const describe = options.describe ?? describeItem

  function wait<Result>(find: () => Result | undefined, wanted: string, timeoutMs: number): Promise<Result> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        check() {
          const found = find()
          if (found === undefined) return false
          clearTimeout(timer)
          resolve(found)
          return true
        },
      }
      const timer = setTimeout(() => {
        waiters.delete(waiter)
        const message = `Waited ${timeoutMs} ms for ${wanted} of ${name}; ${seenText(items, describe)}`
        reject(new ProbeTimeoutError(message, [...items]))
      }, timeoutMs)
      if (!waiter.check()) waiters.add(waiter)
    })
  }

  const timeoutOf = (wait: WaitOptions): number => wait.timeoutMs ?? options.timeoutMs ?? defaultTimeoutMs

  return {
    items,
    record(item) {
      items.push(item)
      for (const waiter of waiters) if (waiter.check()) waiters.delete(waiter)
    },
    async waitFor(matches, waitOptions = {}) {
      const find = (): readonly [Item] | undefined => {
        const index = items.findIndex(matches)
        return index === -1 ? undefined : [items[index]!]
      }
      const [item] = await wait(find, 'a matching item', timeoutOf(waitOptions))
      return item
    },
    waitForCount: (count, waitOptions = {}) =>
      wait(() => (items.length >= count ? items : undefined), `${count} items`, timeoutOf(waitOptions)),
  }
}

function seenText<Item>(items: readonly Item[], describe: (item: Item) => string): string {
  if (items.length === 0) return 'nothing was seen'
  const shown = items.slice(0, maxShown).map((item) => `- ${describe(item).slice(0, maxShownLength)}`)
  const more = items.length > maxShown ? [`- and ${items.length - maxShown} more`] : []
  return `seen were ${items.length}:\n${[...shown, ...more].join('\n')}`
}

function describeItem(item: unknown): string {
  try {
    return JSON.stringify(item) ?? String(item)
  } catch {
    return String(item)
  }
}
