import { expect, it } from 'vitest'
import { createFifo } from '../../src/consumer/fifo.js'
import { seededRandom } from '../../../../test/seededRandom.js'

it('behaves as an array does, whatever is pushed, unshifted, shifted and drained (random)', () => {
  const random = seededRandom(5)
  for (let run = 0; run < 200; run += 1) {
    const fifo = createFifo<number>()
    let model: number[] = []
    // Some runs grow beyond the size at which the queue compacts itself.
    const pushes = run % 10 === 0 ? 0.8 : 0.4
    for (let step = 0; step < (run % 10 === 0 ? 4_000 : 200); step += 1) {
      const kind = random()
      if (kind < pushes) {
        fifo.push(step)
        model.push(step)
      } else if (kind < pushes + 0.1) {
        fifo.unshift(step)
        model.unshift(step)
      } else if (kind < 0.998) {
        if (fifo.shift() !== model.shift()) expect.unreachable(`run ${run}, step ${step}`)
      } else {
        expect(fifo.drain()).toEqual(model)
        model = []
      }
      if (fifo.size !== model.length) expect.unreachable(`run ${run}, step ${step}`)
    }
    expect(fifo.drain()).toEqual(model)
    expect(fifo.size).toBe(0)
    expect(fifo.shift()).toBeUndefined()
  }
})

it('gives what is wanted, and keeps the rest in its order, at both ends', () => {
  const fifo = createFifo<number>()
  for (let value = 0; value < 10; value += 1) fifo.push(value)
  fifo.shift()
  fifo.unshift(-1)
  fifo.unshift(-2)
  expect(fifo.drain((value) => value % 2 === 0)).toEqual([-2, 2, 4, 6, 8])
  fifo.unshift(-3)
  expect(fifo.size).toBe(7)
  expect(fifo.drain()).toEqual([-3, -1, 1, 3, 5, 7, 9])
})

it('compacts itself without losing or repeating anything, with both ends in use', () => {
  const fifo = createFifo<number>()
  for (let value = 0; value < 5_000; value += 1) fifo.push(value)
  expect(Array.from({ length: 1_500 }, () => fifo.shift())).toEqual(Array.from({ length: 1_500 }, (_, index) => index))
  fifo.unshift(-1)
  fifo.push(5_000)
  expect(fifo.size).toBe(3_502)
  expect(fifo.drain()).toEqual([-1, ...Array.from({ length: 3_501 }, (_, index) => 1_500 + index)])
})

it('gives what was drained only once', () => {
  const fifo = createFifo<string>()
  fifo.push('b')
  fifo.unshift('a')
  expect(fifo.drain()).toEqual(['a', 'b'])
  expect(fifo.drain()).toEqual([])
  fifo.unshift('c')
  fifo.push('d')
  expect([fifo.shift(), fifo.shift(), fifo.shift()]).toEqual(['c', 'd', undefined])
})
