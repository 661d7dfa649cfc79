import { NonRetryableError } from '@posthorn/core'

/** What the shop asks for. */
export interface Charge {
  /** The idempotency key: charging an order again gives the same answer and takes no money twice. */
  readonly orderId: string
  readonly amountCents: number
  /** Which attempt this is, from 1. */
  readonly attempt: number
}

/** What the card network answers when it answers at all. */
export type ChargeAnswer =
  { readonly kind: 'paid'; readonly paymentId: string } | { readonly kind: 'declined'; readonly reason: string }

/** A card network that fails now and then, always the same way for the same seed and order. */
export interface CardNetwork {
  /** Throws what a retry may help against, or a `NonRetryableError`. */
  charge(charge: Charge): Promise<ChargeAnswer>
}

/** What becomes of an order, by shares of 1000. The rest is paid at once. */
const shares = [
  { fate: 'slow', share: 50 }, // Fails once.
  { fate: 'busy', share: 30 }, // Fails twice.
  { fate: 'down', share: 10 }, // Fails three times; the last attempt succeeds.
  { fate: 'declined', share: 40 }, // The bank says no: an answer, not a failure.
  { fate: 'unusable', share: 12 }, // The card's token is unusable: no retry can help.
  { fate: 'lost', share: 6 }, // Never answers: every attempt fails.
] as const

export type Fate = (typeof shares)[number]['fate'] | 'fine'

const failuresOf: Readonly<Record<Fate, number>> = {
  fine: 0,
  slow: 1,
  busy: 2,
  down: 3,
  declined: 0,
  unusable: 0,
  lost: Infinity,
}

/** Makes a network whose answers follow from `seed` and the order's id alone. */
export function createCardNetwork(seed: number): CardNetwork {
  return {
    async charge({ orderId, amountCents, attempt }) {
      const fate = fateOf(seed, orderId)
      if (!Number.isSafeInteger(amountCents)) throw new NonRetryableError('The amount is too large to be charged')
      if (fate === 'unusable') throw new NonRetryableError('The card network refuses the token of the card')
      if (attempt <= failuresOf[fate]) throw new Error('The card network did not answer in time')
      if (fate === 'declined') return { kind: 'declined', reason: 'The bank declined the card' }
      return { kind: 'paid', paymentId: `pay-${hash(`payment:${orderId}`).toString(16)}` }
    },
  }
}

/** What becomes of an order with this seed. */
export function fateOf(seed: number, orderId: string): Fate {
  const drawn = hash(`${seed}:${orderId}`) % 1_000
  let upTo = 0
  for (const { fate, share } of shares) {
    upTo += share
    if (drawn < upTo) return fate
  }
  return 'fine'
}

/** FNV-1a with a final mix, so that ids which differ in their last digit only spread evenly. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let at = 0; at < text.length; at += 1) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193)
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35)
  return (value ^ (value >>> 16)) >>> 0
}
