/** Remembers values by key; beyond `maxCount` the oldest goes. Stands where a real shop has a database. */
export interface Newest<Value> {
  get(key: string): Value | undefined
  set(key: string, value: Value): void
}

export function createNewest<Value>(maxCount: number): Newest<Value> {
  const values = new Map<string, Value>() // Iterates in the order of insertion: the first is the oldest.
  return {
    get: (key) => values.get(key),
    set(key, value) {
      values.set(key, value)
      if (values.size <= maxCount) return
      for (const oldest of values.keys()) {
        values.delete(oldest)
        return
      }
    },
  }
}
