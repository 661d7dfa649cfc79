/**
 * A copy in random order: a client that begins with the first of its addresses neither loads one broker alone, nor
 * stays away for ever when just that one is dead.
 */
export function shuffled<T>(list: readonly T[]): T[] {
  const copy = [...list]
  for (let last = copy.length - 1; last > 0; last -= 1) {
    const other = Math.floor(Math.random() * (last + 1))
    ;[copy[last], copy[other]] = [copy[other]!, copy[last]!]
  }
  return copy
}
