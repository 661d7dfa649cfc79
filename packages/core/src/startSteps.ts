import type { SendOptions } from './ports.js'

/** How the steps of a start are tried: once, or with `wait` again and again while nobody answers. */
export interface StartSteps {
  /** When a step that begins now has settled, on the monotonic clock. */
  readonly deadline: number
  /** Settles as the step does, or at its deadline with `late`; then it is not tried again, since it may still be done. */
  attempt<T>(step: (options: SendOptions) => Promise<T>, late: () => Error): Promise<T>
}
