import type { Receipt } from '@posthorn/core/adapter'
import type { Turns } from './turns.js'

interface Confirmation {
  readonly promise: Promise<Receipt>
  resolve(): void
  reject(error: Error): void
}

/** Confirms what a connection sent, once per turn of the event loop. */
export interface Confirms {
  /** What the broker says of a message that it accepted in this turn. */
  confirm(routed: boolean): Promise<Receipt>
  /** Confirms now. */
  flush(): void
  /** The connection broke: nobody learns what became of the message. */
  lose(error: Error): void
}

/**
 * All sends of one turn that had the same result share one promise: a promise of its own for each message, with its
 * resolver, costs about as much as storing the message.
 */
export function createConfirms(turns: Turns): Confirms {
  let routed: Confirmation | undefined
  let unrouted: Confirmation | undefined

  function flush(): void {
    const [one, other] = [routed, unrouted]
    routed = undefined
    unrouted = undefined
    one?.resolve()
    other?.resolve()
  }

  function newConfirmation(receipt: Receipt): Confirmation {
    if (routed === undefined && unrouted === undefined) turns.run(flush)
    return confirmation(receipt)
  }

  return {
    confirm(isRouted) {
      if (isRouted) return (routed ??= newConfirmation(routedReceipt)).promise
      return (unrouted ??= newConfirmation(unroutedReceipt)).promise
    },
    flush,
    lose(error) {
      const [one, other] = [routed, unrouted]
      routed = undefined
      unrouted = undefined
      one?.reject(error)
      other?.reject(error)
    },
  }
}

const routedReceipt: Receipt = Object.freeze({ routed: true })
const unroutedReceipt: Receipt = Object.freeze({ routed: false })

function confirmation(receipt: Receipt): Confirmation {
  let settle: Pick<Confirmation, 'resolve' | 'reject'> | undefined
  const promise = new Promise<Receipt>((resolve, reject) => {
    settle = { resolve: () => resolve(receipt), reject }
  })
  return { promise, ...(settle as unknown as Pick<Confirmation, 'resolve' | 'reject'>) }
}
