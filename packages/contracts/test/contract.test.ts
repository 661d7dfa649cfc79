import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { type as arktype } from 'arktype'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { envelopeSchema } from '@posthorn/schemas'
import { ContractError, defineCommand, defineEvent } from '../src/index.js'
import type { JsonSchema } from '../src/index.js'

const schema = {
  type: 'object',
  required: ['orderId'],
  properties: { orderId: { type: 'string' }, note: { type: 'string' } },
} as const
const definition = { type: 'com.example.order.placed.v1', destination: 'orders', schema }

/** Calls as JavaScript can, with what the types forbid. */
function problemsOf(wrong: unknown, define: unknown = defineEvent): readonly string[] {
  try {
    ;(define as (definition: unknown) => void)(wrong)
  } catch (error) {
    expect(error).toBeInstanceOf(ContractError)
    const { code, retryable, details } = error as ContractError
    expect({ code, retryable }).toEqual({ code: 'POSTHORN_CONFIGURATION', retryable: false })
    return details.problems
  }
  return []
}

describe('a contract', () => {
  test('says what was defined', () => {
    const contract = defineEvent({ ...definition, partitionKey: (order) => order.orderId })
    expect(contract).toMatchObject({ kind: 'event', type: definition.type, destination: 'orders', schema })
    expect(contract.partitionKey({ orderId: 'o-1' })).toBe('o-1')
    expect(defineCommand(definition).kind).toBe('command')
  })

  test('has no key where none is named', () => {
    expect(defineEvent(definition).partitionKey({ orderId: 'o-1' })).toBeUndefined()
  })

  test('cannot be changed', () => {
    const contract = defineEvent(definition) as { destination: string }
    expect(() => (contract.destination = 'other')).toThrow(TypeError)
  })

  test('with a given data type is the same contract', () => {
    const given = defineEvent.typed<{ orderId: string }>()({ ...definition, partitionKey: (order) => order.orderId })
    expect(given.identity).toBe(defineEvent(definition).identity)
    expect(given.partitionKey({ orderId: 'o-1' })).toBe('o-1')
    expect(defineCommand.typed<{ orderId: string }>()(definition).kind).toBe('command')
  })
})

describe('identity', () => {
  test('two copies of a contract package define one contract, whatever the order of keywords', () => {
    const copy = JSON.parse(JSON.stringify(schema)) as JsonSchema
    const reordered = Object.fromEntries(Object.entries(copy).reverse())
    expect(defineEvent({ ...definition, schema: reordered }).identity).toBe(defineEvent(definition).identity)
  })

  test('another schema, or another type, is another contract', () => {
    const contracts = [
      defineEvent(definition),
      defineEvent({ ...definition, schema: { ...schema, required: ['orderId', 'note'] } }),
      defineEvent({ ...definition, type: 'com.example.order.placed.v2' }),
    ]
    expect(new Set(contracts.map(({ identity }) => identity)).size).toBe(3)
  })

  test('key order, destination and kind are not part of it', () => {
    const { identity } = defineEvent(definition)
    expect(defineCommand({ ...definition, destination: 'other' }).identity).toBe(identity)
  })
})

describe('dataschema', () => {
  const compiled = new Ajv2020()
  // The type of this CommonJS module names the namespace, the value at run time is the function.
  const add = addFormats as unknown as (ajv: Ajv2020) => void
  add(compiled)
  const valid = compiled.compile(envelopeSchema)
  const accepted = (dataschema: string): boolean =>
    valid({ specversion: '1.0', id: '1', source: '/s', type: 't', dataschema })

  test('is the $id where that is absolute', () => {
    const $id = 'https://example.com/order.v1.json'
    expect(defineEvent({ ...definition, schema: { $id, ...schema } }).dataschema).toBe($id)
    expect(accepted($id)).toBe(true)
  })

  test('is a URN of type and hash where there is no $id, or a relative one', () => {
    const { dataschema, identity } = defineEvent(definition)
    expect(dataschema).toBe(`urn:posthorn:schema:com.example.order.placed.v1:${identity.split('#')[1]}`)
    const relative = defineEvent({ ...definition, schema: { $id: 'order.json', ...schema } })
    expect(relative.dataschema).toMatch(/^urn:posthorn:schema:com\.example\.order\.placed\.v1:[0-9a-f]{16}$/)
  })

  test.each(['a b', 'ä:中', "it's(1)!*", 'a#b?c/d', '100%', '[x]', '"<>\\^`{|}'])(
    'is a URI that the envelope accepts for the type %j',
    (type) => expect(accepted(defineEvent({ ...definition, type }).dataschema)).toBe(true),
  )

  test.each(['https://example.com/a b', 'urn:ä', 'https://example.com/%zz', 'urn:'])(
    'is refused early where the $id %j would fail at every publish',
    ($id) => {
      expect(accepted($id)).toBe(false)
      expect(problemsOf({ ...definition, schema: { $id } })).toEqual([expect.stringContaining('dataschema')])
    },
  )

  test.each(['https://example.com/#a#b', 'urn:['])('is refused where the $id %j is no URI', ($id) => {
    expect(problemsOf({ ...definition, schema: { $id } })).toEqual([expect.stringContaining('dataschema')])
  })
})

describe('what cannot work', () => {
  test('is listed at once, with the name of the contract', () => {
    const problems = problemsOf({
      type: 'a\n',
      destination: 'a b',
      schema: 7,
      partitionKey: 'orderId',
      topic: 'x',
      _: 1,
    })
    expect(problems).toHaveLength(6)
    expect(problems.every((problem) => problem.startsWith('event a\n: '))).toBe(true)
    for (const part of ['"topic"', '"_"', 'control characters', '"a b"', 'schema must', 'partitionKey must']) {
      expect(problems.some((problem) => problem.includes(part))).toBe(true)
    }
    expect(() => defineEvent({ type: '', destination: '', schema })).toThrow(/- .*\n- /)
  })

  test('is listed by commands and by typed definitions too', () => {
    expect(problemsOf({}, defineCommand)).toHaveLength(3)
    expect(problemsOf({ ...definition, destination: 'orders.dead' }, defineEvent.typed())).toHaveLength(1)
  })

  test.each([undefined, null, 'orders', 5])('is a definition that is no object: %j', (wrong) => {
    expect(problemsOf(wrong)).toEqual([expect.stringContaining('must be an object')])
  })

  test.each([Object.create(null), Symbol('t'), 5, undefined])('is a type that is no string', (type) => {
    expect(problemsOf({ ...definition, type })).toEqual([expect.stringContaining('type must be a string')])
  })

  test.each([true, null, undefined, [], 'schema', class Order {}])('is a schema that is no object: %s', (wrong) => {
    expect(problemsOf({ ...definition, schema: wrong })).toEqual([expect.stringContaining('JSON Schema object')])
  })

  test('is a schema that has no JSON form', () => {
    const cycle: Record<string, unknown> = {}
    cycle['properties'] = { cycle }
    for (const wrong of [cycle, { minimum: 1n }]) {
      expect(problemsOf({ ...definition, schema: wrong })).toEqual([expect.stringContaining('written as JSON')])
    }
  })
})

describe('a Standard JSON Schema', () => {
  test.each([
    ['zod', z.object({ orderId: z.string(), note: z.string().optional() })],
    ['arktype', arktype({ orderId: 'string', 'note?': 'string' })],
  ])('of %s becomes the JSON Schema that ajv validates', (_vendor, standard) => {
    const contract = defineEvent({ ...definition, schema: standard, partitionKey: (order) => order.orderId })
    expect(contract.schema).toMatchObject(schema)
    // Open, so that producers can add properties within a major version.
    expect(contract.schema['additionalProperties']).not.toBe(false)
    const validate = new Ajv2020().compile(contract.schema)
    expect([validate({ orderId: 'o-1', more: 1 }), validate({ orderId: 1 }), validate({})]).toEqual([
      true,
      false,
      false,
    ])
    expect(contract.partitionKey({ orderId: 'o-1' })).toBe('o-1')
  })

  test('that JSON Schema cannot express is a problem, and so is a vendor that offers none', () => {
    const problems = problemsOf({ ...definition, schema: z.object({ at: z.date() }) })
    expect(problems).toEqual([expect.stringContaining('schema of zod cannot be written as JSON Schema')])
    const old = { '~standard': { version: 1, vendor: 'oldies', validate: () => ({ value: 1 }) } }
    expect(problemsOf({ ...definition, schema: old })).toEqual([expect.stringContaining('schema of oldies offers no')])
  })
})
