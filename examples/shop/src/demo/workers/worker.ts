import type { Health } from '@posthorn/core'
import type { CrashPoint } from './crashPoints.js'

export const workerNames = ['orders', 'payments', 'relay'] as const
/** The order service, the payment worker with its relay, and the relay of the order service, which runs beside it. */
export type WorkerName = (typeof workerNames)[number]

/** Something of the shop that can die and be started again: within this process, or a process of its own. */
export interface Worker {
  readonly name: WorkerName
  start(signal: AbortSignal): Promise<void>
  stop(deadlineMs: number): Promise<void>
  /** Of one within this process, once it has begun. */
  health?(): Health | undefined
  /**
   * Makes it die at the point, or anywhere when it does not come there soon, and starts another; resolves when that one works. It
   * dies without saying goodbye to anybody.
   */
  crash(point: CrashPoint, signal: AbortSignal): Promise<void>
}

/** The worker that takes orders. */
export interface OrderDesk {
  /** As `OrderService.place`, and rejects with `SHOP_CRASHED` when the worker dies on the way: then nobody knows. */
  place(order: unknown, options: { readonly id: string }): Promise<void>
}

/** What workers tell the demo; some of it twice, and of the dead some of it never. */
export interface News {
  /** The order service has heard of the user. */
  known(userId: string): void
  /** The broker has confirmed the event of this line's order. */
  published(line: number): void
  /** A handler was called again. */
  retried(): void
  heard(line: number, news: 'charged' | 'paid' | 'declined'): void
  /** A message of an earlier run was cleared away. */
  readonly stray: () => void
}
