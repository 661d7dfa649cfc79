/** A queue whose ends are both O(1); an array's `shift` copies what is left. */
export interface Fifo<T> {
  push(value: T): void
  unshift(value: T): void
  shift(): T | undefined
  /** Takes out what is wanted, everything if nobody says, and gives it in order; the rest keeps its own. */
  drain(isWanted?: (value: T) => boolean): T[]
  readonly size: number
}

export function createFifo<T>(): Fifo<T> {
  let front: T[] = [] // Reversed: its last element is the queue's first.
  let items: (T | undefined)[] = []
  let head = 0
  return {
    push: (value) => void items.push(value),
    unshift: (value) => void front.push(value),
    shift() {
      if (front.length > 0) return front.pop()
      if (head === items.length) return undefined
      const value = items[head]
      items[head++] = undefined
      if (head === items.length || head > 1_024) {
        items = head === items.length ? [] : items.slice(head)
        head = 0
      }
      return value
    },
    drain(isWanted) {
      const all = [...front.reverse(), ...(items.slice(head) as T[])]
      front = []
      items = isWanted === undefined ? [] : all.filter((value) => !isWanted(value))
      head = 0
      return isWanted === undefined ? all : all.filter(isWanted)
    },
    get size() {
      return front.length + items.length - head
    },
  }
}
