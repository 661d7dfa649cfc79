import type { Transport } from '@posthorn/core/adapter'
import { deliveryLies } from './deliveryLies.js'
import type { DeliveryLie } from './deliveryLies.js'
import type { Occasion, Tell } from './lie.js'
import { lifeLies } from './lifeLies.js'
import type { LifeLie } from './lifeLies.js'
import { sendLies } from './sendLies.js'
import type { SendLie } from './sendLies.js'

/** A way to break a promise without telling. */
export type Lie = SendLie | DeliveryLie | LifeLie

const lies: Readonly<Record<Lie, Tell>> = { ...sendLies, ...deliveryLies, ...lifeLies }

/** Every lie, for tests that try them all. */
export const allLies: readonly Lie[] = Object.keys(lies) as Lie[]

/** How a liar lies. */
export interface LyingOptions {
  /** Lies at every n-th occasion only: rarer is harder to notice. @default 1 */
  readonly every?: number
}

/**
 * A transport that breaks one promise and claims to keep it. Tests of a suite use it: a suite that does not notice
 * proves nothing about honest transports.
 */
export function lyingTransport(inner: Transport, lie: Lie, options: LyingOptions = {}): Transport {
  const { every = 1 } = options
  let occasions = 0
  const occasion: Occasion = () => (occasions += 1) % every === 0
  return lies[lie](inner, occasion)
}
