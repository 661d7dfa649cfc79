/** How long to wait before a repeated attempt. */
export interface BackoffOptions {
  /** Upper bound of the first wait, in milliseconds. */
  readonly firstMs: number
  /** Upper bound of every wait, in milliseconds. */
  readonly maxMs: number
}

/**
 * Full jitter: a random wait between zero and a bound that doubles with each failure (`failures` from 1), so that a
 * thousand clients of one broker do not come back together.
 */
export function fullJitter(failures: number, options: BackoffOptions, random: () => number = Math.random): number {
  return Math.round(random() * Math.min(options.maxMs, options.firstMs * 2 ** Math.min(failures - 1, 30)))
}
