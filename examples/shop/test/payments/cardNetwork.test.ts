import { expect, test } from 'vitest'
import { createCardNetwork, fateOf } from '../../src/payments/cardNetwork.js'
import type { Fate } from '../../src/payments/cardNetwork.js'

/** An order that has this fate with seed 7. */
function orderWith(fate: Fate): string {
  for (let number = 0; number < 100_000; number += 1) if (fateOf(7, `o-${number}`) === fate) return `o-${number}`
  throw new Error(`no order is ${fate}`)
}

async function attemptsOf(fate: Fate, attempts = 5): Promise<string[]> {
  const network = createCardNetwork(7)
  const results = []
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    const charge = network.charge({ orderId: orderWith(fate), amountCents: 100, attempt })
    results.push(await charge.then(({ kind }) => kind, (error: Error) => error.name)) // prettier-ignore
  }
  return results
}

test('what becomes of an order follows from the seed and its id alone', () => {
  const ids = Array.from({ length: 2_000 }, (_, number) => `o-${number}`)
  expect(ids.map((id) => fateOf(7, id))).toEqual(ids.map((id) => fateOf(7, id)))
  expect(ids.map((id) => fateOf(8, id))).not.toEqual(ids.map((id) => fateOf(7, id)))
})

test('most orders are paid at once, and every fate has its share', () => {
  const counts = new Map<Fate, number>()
  for (let number = 0; number < 20_000; number += 1) {
    const fate = fateOf(7, `o-${number}`)
    counts.set(fate, (counts.get(fate) ?? 0) + 1)
  }
  const shareOf = (fate: Fate): number => (counts.get(fate) ?? 0) / 20_000
  expect(shareOf('fine')).toBeCloseTo(0.852, 1)
  for (const fate of ['slow', 'busy', 'down', 'declined', 'unusable', 'lost'] as const) {
    expect(shareOf(fate), fate).toBeGreaterThan(0.003)
  }
})

test.each([
  ['fine', ['paid', 'paid', 'paid', 'paid', 'paid']],
  ['slow', ['Error', 'paid', 'paid', 'paid', 'paid']],
  ['busy', ['Error', 'Error', 'paid', 'paid', 'paid']],
  ['down', ['Error', 'Error', 'Error', 'paid', 'paid']],
  ['lost', ['Error', 'Error', 'Error', 'Error', 'Error']],
  ['declined', ['declined', 'declined', 'declined', 'declined', 'declined']],
  ['unusable', Array.from({ length: 5 }, () => 'NonRetryableError')],
] as const)('an order that is %s answers its attempts so', async (fate, answers) => {
  expect(await attemptsOf(fate)).toEqual(answers)
})

test('charging an order again gives the same payment, and other orders others', async () => {
  const network = createCardNetwork(7)
  const charge = (orderId: string, attempt: number): Promise<unknown> =>
    network.charge({ orderId, amountCents: 1, attempt })
  const [first, again, other] = await Promise.all([charge('o-1', 4), charge('o-1', 9), charge('o-2', 4)])
  expect(again).toEqual(first)
  expect(other).not.toEqual(first)
})

test('an amount that no number can hold is refused for good', async () => {
  const charge = createCardNetwork(7).charge({ orderId: 'o', amountCents: 1e300 * 1e300, attempt: 1 })
  await expect(charge).rejects.toMatchObject({ code: 'POSTHORN_NON_RETRYABLE' })
})
