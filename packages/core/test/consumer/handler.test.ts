import { describe, expect, it } from 'vitest'
import { on, onBatch } from '../../src/index.js'
import { orderPlaced } from '../fixtures.js'
import { problemsOf } from '../rejections.js'

const nothing = (): void => {}

describe('a registration that cannot work is refused where it is written', () => {
  const refused: Readonly<Record<string, readonly [() => unknown, number]>> = {
    'no contract, as an import cycle gives': [() => on(undefined as never, nothing), 1],
    'no contract of a batch': [() => onBatch(undefined as never, nothing), 1],
    'a definition in place of a contract': [() => on({ type: 'a', destination: 'b', schema: {} } as never, nothing), 1],
    'no handler': [() => on(orderPlaced, undefined as never), 1],
    'no batch handler': [() => onBatch(orderPlaced, undefined as never), 1],
    'neither contract nor handler': [() => on(null as never, null as never), 2],
    'an unknown option': [() => onBatch(orderPlaced, nothing, { maxcount: 3 } as never), 1],
    'a batch of nothing': [() => onBatch(orderPlaced, nothing, { maxCount: 0 }), 1],
    'half a batch': [() => onBatch(orderPlaced, nothing, { maxCount: 1.5 }), 1],
    'a wait without end': [() => onBatch(orderPlaced, nothing, { maxWaitMs: Infinity }), 1],
    'options that are none': [() => onBatch(orderPlaced, nothing, null as never), 1],
    'everything at once': [() => onBatch(1 as never, 2 as never, { maxCount: 0, maxWaitMs: -1, more: 1 } as never), 5],
  }
  for (const [what, [register, count]] of Object.entries(refused)) {
    it(what, () => expect(problemsOf(register)).toHaveLength(count))
  }
})

it('takes batch options that are undefined for not given', () => {
  const options = { maxCount: undefined, maxWaitMs: undefined } as never
  expect(onBatch(orderPlaced, nothing, options).batch).toEqual({ maxCount: 100, maxWaitMs: 100 })
  expect(onBatch(orderPlaced, nothing, { maxWaitMs: 0 }).batch).toEqual({ maxCount: 100, maxWaitMs: 0 })
})
