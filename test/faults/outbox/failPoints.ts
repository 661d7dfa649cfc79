import type { Transport } from '@posthorn/core'
import type { RelayStore } from '@posthorn/outbox'
import type { FailPoint } from '../childLink.js'

/** Kills this process at a point of a relay's work, without the relay knowing of such points. */
export interface FailPoints {
  /** The next time that the relay comes there. */
  arm(point: FailPoint): void
  store(inner: RelayStore): RelayStore
  transport(inner: Transport): Transport
}

/** So many of a batch are confirmed when it ends in its middle. */
const confirmedOfBatch = 3

export function createFailPoints(): FailPoints {
  let armed: FailPoint | undefined
  let unconfirmed = 0
  let confirmed = 0
  const die = (): void => void process.kill(process.pid, 'SIGKILL')

  function onConfirmed(): void {
    unconfirmed -= 1
    if (armed !== 'inBatch') return
    confirmed += 1
    if (confirmed >= confirmedOfBatch && unconfirmed > 0) die()
  }

  return {
    arm(point) {
      armed = point
      confirmed = 0
    },
    store: (inner) => ({
      ...inner,
      async remove(relay, entries) {
        if (armed === 'beforeRemove') die()
        const count = await inner.remove(relay, entries)
        if (armed === 'afterRemove') die()
        return count
      },
    }),
    transport: (inner) => ({
      ...inner,
      async send(...message) {
        if (armed === 'beforePublish') die()
        unconfirmed += 1
        try {
          return await inner.send(...message)
        } finally {
          onConfirmed()
        }
      },
    }),
  }
}
