/** A line that did not become an order. */
export interface Rejection {
  readonly line: number
  readonly code: string
  readonly message: string
}

/** All rejected lines, by line number. Each reason is kept once and each line costs 12 bytes: a file may be all broken. */
export interface Rejections extends Iterable<Rejection> {
  add(rejection: Rejection): void
  readonly count: number
  /** How many of each code, most frequent first. */
  byCode(): readonly (readonly [code: string, count: number])[]
}

interface Reason {
  readonly code: string
  readonly message: string
  count: number
}

const blockSize = 4_096

export function createRejections(): Rejections {
  const reasons: Reason[] = []
  const indexOf = new Map<string, number>()
  let lines = new Float64Array(blockSize)
  let reasonOf = new Uint32Array(blockSize)
  let count = 0

  function grow(): void {
    const moreLines = new Float64Array(lines.length * 2)
    const moreReasons = new Uint32Array(lines.length * 2)
    moreLines.set(lines)
    moreReasons.set(reasonOf)
    lines = moreLines
    reasonOf = moreReasons
  }

  /** Lines are refused in nearly ascending order: those that waited for the broker come late. */
  function* inOrder(): Generator<Rejection> {
    const order = Uint32Array.from({ length: count }, (_, index) => index)
    order.sort((a, b) => lines[a]! - lines[b]!)
    for (const index of order) {
      const { code, message } = reasons[reasonOf[index]!]!
      yield { line: lines[index]!, code, message }
    }
  }

  return {
    add({ line, code, message }) {
      const key = `${code} ${message}`
      let index = indexOf.get(key)
      if (index === undefined) {
        index = reasons.push({ code, message, count: 0 }) - 1
        indexOf.set(key, index)
      }
      reasons[index]!.count += 1
      if (count === lines.length) grow()
      lines[count] = line
      reasonOf[count] = index
      count += 1
    },
    get count() {
      return count
    },
    byCode() {
      const counts = new Map<string, number>()
      for (const reason of reasons) counts.set(reason.code, (counts.get(reason.code) ?? 0) + reason.count)
      return [...counts].sort(([, a], [, b]) => b - a)
    },
    [Symbol.iterator]: inOrder,
  }
}
