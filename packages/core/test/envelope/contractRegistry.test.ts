import { defineCommand, defineEvent } from '@posthorn/contracts'
import type { Contract, EventContract } from '@posthorn/contracts'
import { describe, expect, it } from 'vitest'
import { createContractRegistry } from '../../src/envelope/contractRegistry.js'
import type { ContractRegistry, ContractRegistryOptions } from '../../src/envelope/contractRegistry.js'
import type { EnvelopeValidationError } from '../../src/errors.js'
import { loggedError } from '../../src/logs/loggedError.js'
import { createRecordingLogger } from '../fixtures.js'
import { thrown, thrownCode } from '../rejections.js'
import type { RecordingLogger } from '../fixtures.js'

type Unsafe = ContractRegistryOptions['unsafeSchemas']

function createBench(unsafeSchemas: Unsafe = 'warn'): { registry: ContractRegistry; logger: RecordingLogger } {
  const logger = createRecordingLogger()
  return { registry: createContractRegistry({ unsafeSchemas, logger }), logger }
}
const event = (schema: object, type = 'com.example.v1', destination = 'orders'): EventContract<unknown> =>
  defineEvent.typed<unknown>()({ type, destination, schema: schema as Record<string, unknown> })
const text = { type: 'object', properties: { a: { type: 'string' } } }

describe('one type', () => {
  it('may come with many copies of one contract, whatever the order of keywords', () => {
    const { registry } = createBench()
    const copies = [event(text), event({ ...text }), event({ properties: { a: { type: 'string' } }, type: 'object' })]
    expect(copies.flatMap((contract) => registry.problems(contract))).toEqual([])
    const validators = copies.map((contract) => registry.validatorOf(contract))
    expect(new Set(validators).size).toBe(1)
  })

  it('has one schema', () => {
    const { registry } = createBench()
    registry.problems(event(text))
    const other = event({ type: 'object' })
    expect(registry.problems(other)).toHaveLength(1)
    expect(thrownCode(() => registry.validatorOf(other))).toBe('POSTHORN_CONFIGURATION')
    expect(registry.problems(other)).toHaveLength(1) // The same answer when it is asked again.
    expect(registry.problems(event(text))).toEqual([])
  })

  it('has one home and one kind', () => {
    const { registry } = createBench()
    registry.problems(event(text))
    expect(registry.problems(event(text, 'com.example.v1', 'elsewhere'))).toHaveLength(1)
    const command = defineCommand.typed<unknown>()({ type: 'com.example.v1', destination: 'orders', schema: text })
    expect(registry.problems(command)).toHaveLength(1)
    expect(registry.problems(event({}, 'com.example.v1', 'elsewhere'))).toHaveLength(2)
  })

  it('is not taken by a contract that cannot work', () => {
    const { registry } = createBench()
    expect(registry.problems(event({ type: 'nonsense' }))).toHaveLength(1)
    expect(registry.problems(event(text))).toEqual([])
  })
})

describe('one $id', () => {
  const id = 'https://example.com/order.json'
  const first = { $id: id, ...text }
  const second = { $id: id, type: 'object', properties: { a: { type: 'integer' } } }
  const accepts = (registry: ContractRegistry, contract: Contract, data: unknown): boolean => {
    try {
      registry.validatorOf(contract)(data)
      return true
    } catch {
      return false
    }
  }

  it('may be shared by types with the same schema', () => {
    const { registry } = createBench()
    const [one, two] = [event(first, 'one'), event(first, 'two')]
    expect([one, two].flatMap((contract) => registry.problems(contract))).toEqual([])
    expect(thrown(() => registry.validatorOf(two)({ a: 1 }))).toMatchObject({ details: { type: 'two' } })
    expect(accepts(registry, one, { a: 'x' })).toBe(true)
  })

  it('may name different schemas of different types: each is checked by its own', () => {
    const { registry } = createBench()
    const contracts = [event(first, 'one'), event(second, 'two'), event(first, 'three')]
    expect(contracts.flatMap((contract) => registry.problems(contract))).toEqual([])
    expect(contracts.map((contract) => accepts(registry, contract, { a: 'x' }))).toEqual([true, false, true])
    expect(contracts.map((contract) => accepts(registry, contract, { a: 1 }))).toEqual([false, true, false])
  })

  it('may also stand on parts of schemas, in any place and with any content', () => {
    const { registry } = createBench()
    const money = (type: string): object => ({ $id: 'https://example.com/money', type })
    const using = (name: string, type: string): object => ({
      type: 'object',
      properties: { a: { $ref: 'https://example.com/money' } },
      $defs: { [name]: money(type) },
    })
    const contracts = [
      event(using('money', 'string'), 'one'),
      event(using('money', 'integer'), 'two'),
      event(using('amount', 'string'), 'three'),
      event({ ...using('amount', 'integer'), $id: 'https://example.com/four' }, 'four'),
      event({ ...using('money', 'string'), $id: 'https://example.com/five' }, 'five'),
      event(using('money', 'integer'), 'six'),
    ]
    expect(contracts.flatMap((contract) => registry.problems(contract))).toEqual([])
    expect(contracts.map((contract) => accepts(registry, contract, { a: 'x' }))).toEqual([
      true,
      false,
      true,
      false,
      true,
      false,
    ])
  })

  it('is free again after a schema that does not compile', () => {
    const { registry } = createBench()
    expect(registry.problems(event({ $id: id, $ref: '#/$defs/missing' }, 'one'))).toHaveLength(1)
    expect(registry.problems(event(first, 'two'))).toEqual([])
  })

  it('does not keep a schema from referring to itself', () => {
    const { registry } = createBench()
    const tree = { type: 'object', properties: { name: { type: 'string' }, child: { $ref: id } } }
    const contract = event({ $id: id, ...tree })
    expect(accepts(registry, contract, { child: { child: { name: 'x' } } })).toBe(true)
    expect(accepts(registry, contract, { child: { child: { name: 1 } } })).toBe(false)
  })

  it('does not let one contract refer to another by chance of order', () => {
    const referring = event({ type: 'object', properties: { a: { $ref: id } } }, 'two')
    const before = createBench().registry
    const after = createBench().registry
    after.problems(event(first, 'one'))
    expect(after.problems(referring)).toEqual(before.problems(referring))
    expect(before.problems(referring)).toHaveLength(1)
  })
})

describe('a schema that cannot be used is a problem, not an exception', () => {
  const broken: Readonly<Record<string, object>> = {
    'an unknown type': { type: 'nonsense' },
    'a misspelt keyword': { type: 'object', requierd: ['a'] },
    'a pattern that does not compile': { type: 'string', pattern: '(' },
    'an unknown format': { type: 'string', format: 'telephone' },
    'a reference to nowhere': { $ref: '#/$defs/missing' },
    'a remote reference': { $ref: 'https://example.com/remote.json' },
    'another dialect': { $schema: 'http://json-schema.org/draft-07/schema#', type: 'object' },
    'the id of the dialect itself': { $id: 'https://json-schema.org/draft/2020-12/schema', type: 'object' },
    'a list of items as in draft 7': { type: 'array', items: [{ type: 'string' }] },
    $async: { $async: true, type: 'object' },
    '$async below': { type: 'object', properties: { a: { $async: true, type: 'string' } } },
    '$async behind a reference': { $ref: '#/$defs/a', $defs: { a: { $async: true, type: 'string' } } },
  }
  for (const [what, schema] of Object.entries(broken)) {
    it(what, () => {
      const { registry } = createBench()
      const contract = event(schema)
      expect(registry.problems(contract)).toHaveLength(1)
      expect(registry.problems(contract)[0]).toMatch(/^contract com\.example\.v1: /)
      expect(thrownCode(() => registry.validatorOf(contract))).toBe('POSTHORN_CONFIGURATION')
    })
  }
})

describe('unsafeSchemas', () => {
  const unsafe = event({ type: 'object', properties: { a: { type: 'string', pattern: '^(a+)+$' } } })
  const events = (logger: RecordingLogger): unknown[] =>
    logger.records.map(({ level, facts }) => [level, facts['event']])

  it('warn uses the schema and says so once', () => {
    const { registry, logger } = createBench('warn')
    for (let time = 0; time < 3; time += 1) expect(registry.problems(unsafe)).toEqual([])
    registry.validatorOf(unsafe)
    expect(events(logger)).toEqual([['warn', 'schema.unsafe']])
    expect(logger.records[0]?.facts).toMatchObject({ type: unsafe.type, hazards: [expect.any(String)] })
  })

  it('refuse refuses it, with every hazard', () => {
    const { registry, logger } = createBench('refuse')
    expect(registry.problems(unsafe)).toHaveLength(1)
    const two = event({ anyOf: [{ pattern: '(a*)*' }, { uniqueItems: true }] }, 'com.example.v2')
    expect(registry.problems(two)).toHaveLength(2)
    expect(thrownCode(() => registry.validatorOf(unsafe))).toBe('POSTHORN_CONFIGURATION')
    expect(events(logger)).toEqual([])
  })

  it('allow uses it and says nothing', () => {
    const { registry, logger } = createBench('allow')
    expect(registry.problems(unsafe)).toEqual([])
    expect(events(logger)).toEqual([])
  })

  it('says nothing of schemas that are safe', () => {
    const { registry, logger } = createBench('warn')
    registry.problems(event({ type: 'object', properties: { a: { type: 'string', pattern: '^[a-z]+$' } } }))
    expect(events(logger)).toEqual([])
  })
})

it('validates without changing what it is given', () => {
  const { registry } = createBench()
  const schema = { type: 'object', properties: { a: { type: 'integer', default: 5 } }, additionalProperties: true }
  const validate = registry.validatorOf(event(schema))
  const data = Object.freeze({ b: Object.freeze(['1']) })
  validate(data)
  expect(data).toEqual({ b: ['1'] })
  expect(thrownCode(() => validate({ a: '5' }))).toBe('POSTHORN_INVALID_DATA')
})

it('gives pointers into the data, from the envelope’s root', () => {
  const { registry } = createBench()
  const validate = registry.validatorOf(
    event({ type: 'object', properties: { 'a/b': { type: 'array', items: { type: 'string' } } } }),
  )
  expect(thrown(() => validate({ 'a/b': ['x', 1] }))).toMatchObject({
    issues: [{ pointer: '/data/a~1b/1', keyword: 'type', message: 'must be string' }],
  })
  expect(thrown(() => validate(undefined))).toMatchObject({ issues: [{ pointer: '/data', keyword: 'type' }] })
})

it('names in the message only what the schema names: keys of maps are data', () => {
  const { registry } = createBench()
  const count = { type: 'object', properties: { count: { type: 'integer' } } }
  const members = { $ref: '#/$defs/members' }
  const schema = {
    type: 'object',
    properties: { 'a/b': members, list: { type: 'array', items: members } },
    $defs: { members: { type: 'object', additionalProperties: count } },
  }
  const validate = registry.validatorOf(event(schema))
  const wrong = { count: 'many' }
  const shown = (data: unknown): string => (thrown(() => validate(data)) as EnvelopeValidationError).message
  expect(shown({ 'a/b': { '4917012345': wrong } })).toMatch(/: \/data\/a~1b\/\*\/count must be integer$/)
  expect(shown({ list: [{}, { 'x/~y': wrong }] })).toMatch(/: \/data\/list\/1\/\*\/count must be integer$/)
  const error = thrown(() => validate({ 'a/b': { 'eve@example.com': wrong } })) as EnvelopeValidationError
  expect(error.issues.map(({ pointer }) => pointer)).toContain('/data/a~1b/eve@example.com/count')
  expect(JSON.stringify(loggedError(error, true))).not.toContain('eve@')
})
