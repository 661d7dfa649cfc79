import type { Transport } from '@posthorn/core'
import type { ServiceDatabase } from '../../database/shopDatabase.js'
import type { OrderService } from '../../orders/orderService.js'
import { ShopError } from '../../shopError.js'
import { createFuse, withFuse } from './crashPoints.js'
import type { Fuse } from './crashPoints.js'
import { roles } from './roles.js'
import type { Role, RoleParts } from './roles.js'
import type { OrderDesk, Worker, WorkerName } from './worker.js'

export interface LocalWorkerOptions extends Omit<RoleParts, 'transport' | 'database'> {
  readonly name: WorkerName
  readonly createTransport: () => Transport
  /** Asked for with each life: it is opened before the first. */
  readonly database: () => ServiceDatabase
}

/** One life of a worker. */
interface Life {
  readonly role: Role
  readonly fuse: Fuse
  /** Resolves when it is dead. */
  readonly died: Promise<void>
  die(): Promise<void>
}

/** When a worker does not come to the point where it shall die. */
export const crashPatienceMs = 3_000

/**
 * A worker within this process. When it dies, its transport is closed without a word to anybody, and what it still does
 * reaches neither the broker nor the database: open transactions are rolled back, leases run out.
 */
export function createLocalWorker(options: LocalWorkerOptions): Worker & OrderDesk {
  const { name } = options
  let life: Life | undefined
  let alive: Promise<unknown> = Promise.resolve()

  async function begin(signal: AbortSignal): Promise<void> {
    life = createLife(options)
    alive = life.role.start(signal)
    await alive
  }

  async function orders(): Promise<OrderService> {
    await alive
    const service = life?.role.orders
    if (service === undefined) throw new ShopError('SHOP_CRASHED', `The worker ${name} takes no orders`)
    return service
  }

  return {
    name,
    start: begin,
    stop: async (deadlineMs) => life?.role.stop(deadlineMs),
    health: () => life?.role.health(),
    async crash(point, signal) {
      const dying = life
      if (dying === undefined) return
      dying.fuse.arm(point)
      const timer = setTimeout(() => void dying.die(), crashPatienceMs)
      await dying.died
      clearTimeout(timer)
      await begin(signal)
    },
    place: async (order, placing) => (await orders()).place(order, placing),
  }
}

function createLife({ name, createTransport, database, ...parts }: LocalWorkerOptions): Life {
  let noteDeath = (): void => {}
  const died = new Promise<void>((resolve) => (noteDeath = resolve))
  const inner = createTransport()
  const fuse = createFuse(() => die())
  const transport: Transport = {
    ...inner,
    async send(...args) {
      await fuse.pass()
      return inner.send(...args)
    },
  }
  const role = roles[name]({ ...parts, transport, database: withFuse(database(), fuse) })

  async function die(): Promise<void> {
    fuse.burn()
    noteDeath()
    void inner.close(performance.now()).catch(() => {})
    // Only so that no timer of the dead keeps the process: whatever it tries, it reaches nobody.
    void role.stop(0).catch(() => {})
  }

  return { role, fuse, died, die }
}
