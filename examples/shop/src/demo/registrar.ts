import { idKey } from '../idKey.js'
import type { KnownUsers } from '../orders/knownUsers.js'
import { ShopError } from '../shopError.js'
import type { UserService } from '../users/userService.js'
import { patiently } from './patiently.js'
import type { Run } from './run.js'

/** Registers users, each once, and waits until the order service has heard of them: so no order comes before its user. */
export interface Registrar {
  /** Resolves when orders of the user can be placed; rejects with `SHOP_USER_LATE` when the news takes too long. */
  ready(userId: string): Promise<void>
  /** Users that are on their way to the order service. */
  readonly pending: number
  /** Users whose news were confirmed and did not arrive: lost, as an order can be. */
  readonly late: number
}

export interface RegistrarOptions {
  readonly users: UserService
  /** Of whom the order service has heard. */
  readonly knownUsers: KnownUsers
  readonly run: Run
  readonly signal: AbortSignal
  /** How long the news of a user may take, in milliseconds. */
  readonly patienceMs: number
}

export function createRegistrar({ users, knownUsers, run, signal, patienceMs }: RegistrarOptions): Registrar {
  const pending = new Map<string, Promise<void>>()
  /** The tables of a run are new: whom this registrar does not know, nobody does. */
  const known = new Set<string>()
  let late = 0

  async function register(userId: string): Promise<void> {
    const id = run.newUserId()
    // The input names no addresses; real users bring their own.
    const user = { userId, email: `${id}@shop.example`, registeredAt: new Date().toISOString() }
    await patiently(() => users.register(user, { id }), signal)
    if (await knownUsers.whenKnown(userId, patienceMs)) {
      known.add(idKey(userId))
      return
    }
    late += 1
    throw new ShopError('SHOP_USER_LATE', 'The order service did not hear of /userId in time')
  }

  return {
    async ready(userId) {
      const key = idKey(userId)
      if (known.has(key)) return
      let registration = pending.get(key)
      if (registration === undefined) {
        registration = register(userId).finally(() => pending.delete(key))
        pending.set(key, registration)
      }
      await registration
    },
    get pending() {
      return pending.size
    },
    get late() {
      return late
    },
  }
}
