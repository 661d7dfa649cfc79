import { randomUUID } from 'node:crypto'
import type { Subscription, Target, Transport } from '@posthorn/core/adapter'
import { withSubscriptions } from './lie.js'
import type { Tell } from './lie.js'

const never = (): Promise<never> => new Promise<never>(() => {})

/** The names of the lies about groups, beginnings and ends. */
export type LifeLie =
  | 'mergedGroups'
  | 'splitGroup'
  | 'deafStop'
  | 'endlessClose'
  | 'endlessConnect'
  | 'pretendedConnect'
  | 'wrongCapabilities'

/** Lies about groups, and about the transport's own beginning and end. */
export const lifeLies: Readonly<Record<LifeLie, Tell>> = {
  /** Lets all groups of a destination share its messages. */
  mergedGroups: (inner) => renamed(inner, () => 'merged'),
  /** Gives every service all messages of its group. */
  splitGroup: (inner) => split(inner),
  /** Goes on delivering after a subscription was stopped. */
  deafStop: (inner) => ({
    ...inner,
    subscribe: async (...subscribing) => {
      await inner.subscribe(...subscribing)
      return { stop: () => Promise.resolve() }
    },
  }),
  /** Never ends closing. */
  endlessClose: (inner) => ({ ...inner, close: (deadline) => inner.close(deadline).then(never) }),
  /** Never ends connecting where there is no broker. */
  endlessConnect: (inner) => ({ ...inner, connect: (...connecting) => inner.connect(...connecting).catch(never) }),
  /** Says that it is connected where there is no broker. */
  pretendedConnect: (inner) => ({ ...inner, connect: (...connecting) => inner.connect(...connecting).catch(() => {}) }),
  /** Claims what it cannot do. */
  wrongCapabilities: (inner) => ({
    ...inner,
    capabilities: { ...inner.capabilities, routed: !inner.capabilities.routed },
  }),
}

function renamed(inner: Transport, rename: (group: string) => string): Transport {
  const within = <Where extends { readonly group: string }>(where: Where): Where => ({
    ...where,
    group: rename(where.group),
  })
  const changed = withSubscriptions(inner, (subscription) => ({ subscription: within(subscription) }))
  return { ...changed, send: (target, message, options) => inner.send(retarget(target, within), message, options) }
}

function retarget(target: Target, within: <Where extends { group: string }>(where: Where) => Where): Target {
  if ('retry' in target) return { retry: within(target.retry) }
  if ('dead' in target) return { dead: within(target.dead) }
  if ('group' in target) return { group: within(target.group) }
  return target
}

function split(inner: Transport): Transport {
  const own = randomUUID().slice(0, 8)
  return withSubscriptions(inner, (subscription): { subscription: Subscription } => ({
    subscription: subscription.source === 'dead' ? subscription : { ...subscription, group: own },
  }))
}
