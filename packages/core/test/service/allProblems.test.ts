import { defineEvent } from '@posthorn/contracts'
import { describe, expect, it } from 'vitest'
import { createService, on, onBatch } from '../../src/index.js'
import type { ConsumerOptions } from '../../src/index.js'
import { createFakeTransport } from '../fakeTransport.js'
import { orderPaid, orderPlaced } from '../fixtures.js'
import { seededRandom } from '../../../../test/seededRandom.js'
import { problemsOf } from '../rejections.js'
import { createBench } from '../serviceBench.js'

/** One mistake in otherwise good options, and what the problem must name. */
interface Mistake {
  readonly options: object
  readonly names: string
}

const otherPlaced = defineEvent.typed<unknown>()({ type: orderPlaced.type, destination: 'orders', schema: {} })
const broken = defineEvent.typed<unknown>()({
  type: 'com.example.broken.v1',
  destination: 'orders',
  schema: { type: 'nonsense' },
})
const nothing = (): void => {}

/** Puts mistakes together; lists and nested objects add up, so that none hides another. */
function merge(mistakes: readonly Mistake[], base: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...base }
  for (const { options } of mistakes) {
    for (const [key, value] of Object.entries(options) as [string, unknown][]) {
      const before = merged[key]
      if (Array.isArray(value) && Array.isArray(before)) merged[key] = [...before, ...(value as unknown[])]
      else if (isPlain(value) && isPlain(before)) merged[key] = { ...before, ...value }
      else merged[key] = value
    }
  }
  return merged
}

function isPlain(value: unknown): value is object {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.getPrototypeOf(value) === Object.prototype &&
    !('send' in value)
  )
}

/** Random subsets of the mistakes; each must be named, whichever others stand beside it. */
function missingOf(
  mistakes: readonly Mistake[],
  problemsWith: (chosen: readonly Mistake[]) => readonly string[],
): unknown[] {
  const random = seededRandom(71)
  const subsets = mistakes.map((mistake) => [mistake])
  for (let run = 0; run < 30; run += 1) subsets.push(mistakes.filter(() => random() < 0.4))
  return [...subsets, [...mistakes]].flatMap((chosen) => {
    if (chosen.length === 0) return []
    const problems = problemsWith(chosen)
    const unnamed = chosen.filter(({ names }) => !problems.some((problem) => problem.includes(names)))
    return unnamed.map(({ names }) => ({ unnamed: names, beside: chosen.map((mistake) => mistake.names) }))
  })
}

describe('all problems are listed at once', () => {
  it('of a service, whichever come together (random)', () => {
    const mistakes: Mistake[] = [
      { options: { sourse: '/x' }, names: 'sourse' },
      { options: { source: 'with space' }, names: 'source' },
      { options: { deadlineMs: 0 }, names: 'deadlineMs' },
      { options: { maxUnconfirmed: '5' }, names: 'maxUnconfirmed ' },
      { options: { limits: { maxDepth: 1e9 } }, names: 'limits.maxDepth' },
      { options: { limits: { maxBodyBites: 1 } }, names: 'limits.maxBodyBites' },
      { options: { mustRoute: true }, names: 'mustRoute' },
      { options: { validation: 'maybe' }, names: 'validation' },
      { options: { unsafeSchemas: 'maybe' }, names: 'unsafeSchemas' },
      { options: { decorators: [1] }, names: 'decorators[0]' },
      { options: { captureTrace: true }, names: 'captureTrace' },
      { options: { newId: 'x' }, names: 'newId' },
      { options: { clock: 1 }, names: 'clock' },
      { options: { wireFormat: {} }, names: 'wireFormat ' },
      { options: { wireFormats: { 'bad name': { read: nothing, write: nothing } } }, names: 'bad name' },
      { options: { wireFormats: { orders: { read: nothing } } }, names: 'wireFormats.orders' },
      { options: { publishes: [otherPlaced] }, names: 'two schemas' },
      { options: { publishes: [broken] }, names: 'com.example.broken.v1' },
      { options: { publishes: [{ identity: 'x' }] }, names: 'publishes[' },
    ]
    const transport = createFakeTransport({ routed: false })
    const problemsWith = (chosen: readonly Mistake[]): readonly string[] =>
      problemsOf(() => createService(merge(chosen, { source: '/x', transport, publishes: [orderPlaced] }) as never))
    expect(missingOf(mistakes, problemsWith)).toEqual([])
    expect(transport.connects).toBe(0)
  })

  it('of a consumer, whichever come together (random)', () => {
    const mistakes: Mistake[] = [
      { options: { concurency: 4 }, names: 'concurency' },
      { options: { concurrency: 200, maxInFlight: 100 }, names: 'above maxInFlight' },
      { options: { handlerTimeoutMs: -1 }, names: 'handlerTimeoutMs' },
      { options: { retry: { delaysMs: [5_000, 1_000] } }, names: 'must not decrease' },
      { options: { retry: { delays: 1 } }, names: 'retry.delays ' },
      { options: { retry: { isNonRetryable: 1 } }, names: 'retry.isNonRetryable' },
      { options: { order: { by: 'partitionKey' } }, names: 'order:' },
      { options: { order: { by: 'partitionKey', onRetri: 1 } }, names: 'order.onRetri' },
      { options: { maxCrashes: 3 }, names: 'maxCrashes' },
      { options: { foreign: 'drop' }, names: 'foreign' },
      { options: { unhandledTypes: 'drop' }, names: 'unhandledTypes' },
      { options: { middleware: [1] }, names: 'middleware[0]' },
      { options: { handlers: [on(orderPlaced, nothing)] }, names: 'second handler' },
      { options: { handlers: [on(broken, nothing)] }, names: 'com.example.broken.v1' },
      { options: { handlers: [null] }, names: 'made by on()' },
      { options: { handlers: [on(otherPlaced, nothing)] }, names: 'two schemas' },
    ]
    const transport = createFakeTransport({ ordered: false, countsRedeliveries: false })
    const { service } = createBench({ transport })
    const problemsWith = (chosen: readonly Mistake[]): readonly string[] => {
      const options = merge(chosen, { handlers: [on(orderPlaced, nothing)] }) as unknown as ConsumerOptions
      return problemsOf(() => service.consume('billing', options))
    }
    expect(missingOf(mistakes, problemsWith)).toEqual([])
  })

  it('each only once', () => {
    const { service } = createBench()
    const wrong = { handlers: [on(orderPlaced, nothing)], retry: null, order: 7, limits: null }
    const problems = problemsOf(() => service.consume('billing', wrong as never))
    expect(problems.filter((problem) => problem.startsWith('retry'))).toHaveLength(1)
    expect(problems.filter((problem) => problem.startsWith('order'))).toHaveLength(1)
  })
})

describe('whatever is given instead of options, it is a ConfigurationError', () => {
  const nonsense: readonly unknown[] = [undefined, null, 0, 'x', [], () => {}]
  const keysOfService = [
    'source',
    'transport',
    'logger',
    'clock',
    'newId',
    'limits',
    'unsafeSchemas',
    'wireFormat',
    'wireFormats',
    'publishes',
    'deadlineMs',
    'maxUnconfirmed',
    'maxUnconfirmedBytes',
    'mustRoute',
    'validation',
    'decorators',
    'captureTrace',
  ]
  const keysOfConsumer = [
    'handlers',
    'retry',
    'concurrency',
    'order',
    'handlerTimeoutMs',
    'maxInFlight',
    'maxInFlightBytes',
    'unhandledTypes',
    'foreign',
    'validation',
    'maxCrashes',
    'middleware',
  ]
  const values: readonly unknown[] = [null, 0, '', 'x', Number.NaN, [null], [[]], { odd: 1 }, 7n, Symbol('x')]

  it('for a service', () => {
    for (const options of nonsense) expect(problemsOf(() => createService(options as never))).not.toEqual([])
    for (const key of keysOfService) {
      for (const value of values) {
        const make = (): unknown =>
          createService({ source: '/x', transport: createFakeTransport(), [key]: value } as never)
        expectConfigurationError(make, `${key}: ${String(value as never)}`)
      }
    }
  })

  it('for a consumer', () => {
    const { service } = createBench()
    for (const options of nonsense) expect(problemsOf(() => service.consume('g', options as never))).not.toEqual([])
    let group = 0
    for (const key of keysOfConsumer) {
      for (const value of values) {
        const consume = (): unknown =>
          service.consume(`g${(group += 1)}`, { handlers: [on(orderPlaced, nothing)], [key]: value } as never)
        expectConfigurationError(consume, `${key}: ${String(value as never)}`)
      }
    }
    for (const name of [...nonsense.filter((value) => value !== 'x'), '', 'a.b', 'dead', 'x'.repeat(65)])
      expect(problemsOf(() => service.consume(name as never, { handlers: [on(orderPlaced, nothing)] }))).not.toEqual([])
  })
})

/** Some values are fine for some keys; what is not fine is a problem, never a TypeError. */
function expectConfigurationError(action: () => unknown, what: string): void {
  try {
    action()
  } catch (error) {
    expect((error as { code?: unknown }).code, `${what}: ${String(error)}`).toBe('POSTHORN_CONFIGURATION')
  }
}

describe('a contract that is published and handled', () => {
  it('is refused at once when the two differ, whichever is declared first', () => {
    const { service } = createBench({ publishes: [orderPlaced] })
    expect(problemsOf(() => service.consume('billing', { handlers: [on(otherPlaced, nothing)] }))).toHaveLength(1)
  })

  it('is refused in a second group when it differs from the first group’s', () => {
    const { service } = createBench()
    service.consume('billing', { handlers: [on(orderPlaced, nothing), on(orderPaid, nothing)] })
    expect(problemsOf(() => service.consume('mail', { handlers: [onBatch(otherPlaced, nothing)] }))).toHaveLength(1)
  })
})
