import { healthFrom, healthReason } from './health.js'
import type { Health } from './health.js'
import type { HealthCode } from './healthCodes.js'
import type { TransportHealth } from './ports.js'

/** What a transport is about to say of itself. */
export interface TransportCondition {
  /** `Transport.system`. */
  readonly system: string
  readonly state: TransportHealth['state']
  /** Why it is not ready, in plain words; never a password. */
  readonly why?: string | undefined
  /** A group that does not consume, though the way to the broker may be there. */
  readonly notConsuming?: string | undefined
  /** A group that gets nothing, though the broker answers and new subscriptions were made. */
  readonly noDeliveries?: string | undefined
}

/** Ready, live and reasons of a transport, the same for every adapter. */
export function transportHealth(condition: TransportCondition): Health {
  const { system, state, why, notConsuming, noDeliveries } = condition
  const where = `transport ${system}`
  const reason = (code: HealthCode, what: string): void => void reasons.push(healthReason({ code, where, what }))
  const reasons: ReturnType<typeof healthReason>[] = []
  if (notConsuming !== undefined) reason('notConsuming', notConsuming)
  else if (state !== 'ready') reason(codes[state], why ?? texts[state])
  if (noDeliveries !== undefined) reason('noDeliveries', noDeliveries)
  return healthFrom(reasons)
}

const codes = { idle: 'notStarted', connecting: 'connecting', blocked: 'blocked', closed: 'stopped' } as const
const texts = {
  idle: 'It is not connected yet',
  connecting: 'There is no connection to the broker',
  blocked: 'The broker takes no messages',
  closed: 'It is closed',
}
