/** What can go wrong, as chances. */
export interface Faults {
  /** A call of the store that is not done, or whose answer is lost. */
  readonly store: number
  /** A send that does not arrive, or whose confirmation is lost. */
  readonly send: number
  /** A call or a send that takes so long that the relay may have given it up, or lost the partition, when it is done. */
  readonly slow: number
}

/** Milliseconds for one way. */
export function wayMs({ slow }: Faults, random: () => number): number {
  return random() < slow ? random() * 1_500 : random() * 10
}
