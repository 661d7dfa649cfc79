import type { PublishOptions, Service } from '@posthorn/core'
import { userRegistered } from '../contracts.js'
import type { UserRegistered } from '../contracts.js'
import { idKey } from '../idKey.js'
import { createNewest } from '../newest.js'
import { createShopService } from '../shopService.js'
import type { ShopServiceOptions } from '../shopService.js'

/** Registers users and tells everybody. */
export interface UserService {
  readonly service: Service
  /** Resolves when the broker has confirmed the event; rejects when the data is invalid. Repeating it is harmless. */
  register(user: UserRegistered, options?: PublishOptions): Promise<void>
  find(userId: string): UserRegistered | undefined
}

const maxUsers = 10_000

export function createUserService(options: ShopServiceOptions): UserService {
  const service = createShopService('/shop/users', options, [userRegistered])
  const users = createNewest<UserRegistered>(maxUsers)
  return {
    service,
    async register(user, publishOptions) {
      await service.publish(userRegistered, user, publishOptions)
      users.set(idKey(user.userId), user)
    },
    find: (userId) => users.get(idKey(userId)),
  }
}
