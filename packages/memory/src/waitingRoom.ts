import type { Deadlines, SendOptions } from '@posthorn/core/adapter'
import type { GivingUp } from './errorMapping.js'

/** A call that waits until the broker can be reached. Exactly one of the two is called. */
export interface Waiter {
  enter(): void
  giveUp(why: GivingUp): void
}

/** Where calls wait for the broker, in their order, each at most until its deadline or its signal. */
export interface WaitingRoom {
  add(options: SendOptions, waiter: Waiter): void
  /** Everybody enters, in order. */
  open(): void
  /** Everybody gives up. */
  close(): void
}

/** `deadlines` is asked at every entry, since a service lends its clock late. */
export function createWaitingRoom(deadlines: () => Deadlines): WaitingRoom {
  const waiting = new Set<{ leave(): void; readonly waiter: Waiter }>()

  function everybody(action: (waiter: Waiter) => void): void {
    for (const place of waiting) {
      place.leave()
      action(place.waiter)
    }
  }

  return {
    add({ deadline, signal }, waiter) {
      const place = {
        waiter,
        leave() {
          waiting.delete(place)
          watched.clear()
          signal?.removeEventListener('abort', abort)
        },
      }
      const giveUp = (why: GivingUp): void => {
        place.leave()
        waiter.giveUp(why)
      }
      const abort = (): void => giveUp({ reason: 'aborted', cause: signal?.reason })
      const watched = deadlines().watch(deadline, () => giveUp({ reason: 'deadline' }))
      signal?.addEventListener('abort', abort)
      waiting.add(place)
    },
    open: () => everybody((waiter) => waiter.enter()),
    close: () => everybody((waiter) => waiter.giveUp({ reason: 'closed' })),
  }
}
