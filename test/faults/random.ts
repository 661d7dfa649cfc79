import { seededRandom } from '../seededRandom.js'

/** Numbers that only look random: the same seed gives the same ones. */
export interface Random {
  /** From 0 to below 1. */
  next(): number
  /** A whole number, both ends included. */
  between(min: number, max: number): number
  pick<Value>(values: readonly Value[]): Value
  shuffled<Value>(values: readonly Value[]): Value[]
}

/** The same for the same seed. */
export function createRandom(seed: number): Random {
  const next = seededRandom(seed)
  const between = (min: number, max: number): number => min + Math.floor(next() * (max - min + 1))
  return {
    next,
    between,
    pick: (values) => values[between(0, values.length - 1)]!,
    shuffled(values) {
      const left = [...values]
      return values.map(() => left.splice(between(0, left.length - 1), 1)[0]!)
    },
  }
}
