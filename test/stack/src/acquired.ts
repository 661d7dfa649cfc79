import type { Instance } from './instances.js'
import { starting } from './lifecycle.js'
import type { Progress } from './progress.js'

export interface Acquired<Control> {
  /** The exact version, as far as it can be told; otherwise `unknown`. */
  readonly version: string
  /** Whether this stack runs it, so that there is a `control`. */
  readonly managed: boolean
  readonly control?: Control
  /** Ends it if it was started for this call; does nothing to a server that others may use. Idempotent. */
  readonly release: () => Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** A server from anywhere, with the addresses to reach it. */
export interface Source extends Omit<Acquired<never>, 'control'> {
  readonly addresses: string[]
  readonly instance?: Instance
}

export const source = (parts: Omit<Source, 'managed' | typeof Symbol.asyncDispose>): Source => ({
  ...parts,
  managed: parts.instance !== undefined,
  [Symbol.asyncDispose]: parts.release,
})

export const announce =
  (name: string): Progress =>
  (step) =>
    void (step !== starting && process.stderr.write(`${name} ${step}\n`))
