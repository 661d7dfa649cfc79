import { describe, expect, it } from 'vitest'
import { createHandOver } from '../src/handOver.js'
import type { SizedDelivery } from '../src/handOver.js'

const delivery = (id: string, bytes: number): SizedDelivery => ({ id, bytes }) as SizedDelivery
const microtasks = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function handedOver(
  maxBytes: number,
  maxCount = 10,
): { batches: string[][]; handOver: ReturnType<typeof createHandOver> } {
  const batches: string[][] = []
  const handOver = createHandOver({ maxBytes, maxCount }, (batch) => batches.push(batch.map(({ id }) => id as string)))
  return { batches, handOver }
}

describe('handing deliveries over', () => {
  it('makes one batch of what arrives in one turn', async () => {
    const { batches, handOver } = handedOver(100)
    handOver.add(delivery('a', 1))
    handOver.add(delivery('b', 1))
    expect(batches).toEqual([])
    await microtasks()
    handOver.add(delivery('c', 1))
    await microtasks()
    expect(batches).toEqual([['a', 'b'], ['c']])
  })

  it('holds what would exceed the bytes until enough is settled, in order', async () => {
    const { batches, handOver } = handedOver(10)
    for (const id of ['a', 'b', 'c']) handOver.add(delivery(id, 5))
    await microtasks()
    expect(batches).toEqual([['a', 'b']])
    handOver.settled(5)
    await microtasks()
    expect(batches).toEqual([['a', 'b'], ['c']])
  })

  it('hands over one that is larger than the bound, alone', async () => {
    const { batches, handOver } = handedOver(10)
    handOver.add(delivery('huge', 1_000))
    handOver.add(delivery('small', 1))
    await microtasks()
    expect(batches).toEqual([['huge']])
    handOver.settled(1_000)
    await microtasks()
    expect(batches).toEqual([['huge'], ['small']])
  })

  it('hands over no more than may be unsettled', async () => {
    const { batches, handOver } = handedOver(10, 2)
    for (const id of ['a', 'b', 'c']) handOver.add(delivery(id, 1))
    await microtasks()
    expect(batches).toEqual([['a', 'b']])
    handOver.settled(1)
    await microtasks()
    expect(batches).toEqual([['a', 'b'], ['c']])
  })

  it('after stop returns what it holds and hands nothing over', async () => {
    const { batches, handOver } = handedOver(10)
    handOver.add(delivery('a', 5))
    expect(handOver.stop().map(({ id }) => id)).toEqual(['a'])
    handOver.add(delivery('b', 5))
    await microtasks()
    expect(batches).toEqual([])
    expect(handOver.stop().map(({ id }) => id)).toEqual(['b'])
  })
})
