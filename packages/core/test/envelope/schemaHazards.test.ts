import { describe, expect, it } from 'vitest'
import { schemaHazards } from '../../src/envelope/schemaHazards.js'

const evil = '^(a+)+$'
const bad = { type: 'string', pattern: evil }
/** Where hazards are, without their texts. */
const places = (schema: object): string[] =>
  schemaHazards(schema as Record<string, unknown>).map((hazard) => hazard.split(': ')[0]!)

describe('a pattern that nests repetitions is found', () => {
  const positions: Readonly<Record<string, [object, string]>> = {
    'at the root': [bad, '/'],
    'in a property': [{ properties: { a: bad } }, '/properties/a'],
    'in a property of a property': [{ properties: { a: { properties: { b: bad } } } }, '/properties/a/properties/b'],
    'behind odd names': [{ properties: { 'a/b~c': bad } }, '/properties/a~1b~0c'],
    'as the name of properties': [{ patternProperties: { [evil]: {} } }, '/'],
    'in properties by pattern': [{ patternProperties: { '^a$': bad } }, '/patternProperties/^a$'],
    'in $defs': [{ $defs: { a: bad } }, '/$defs/a'],
    'in definitions': [{ definitions: { a: bad } }, '/definitions/a'],
    'in dependentSchemas': [{ dependentSchemas: { a: bad } }, '/dependentSchemas/a'],
    'in dependencies, which ajv still honours': [{ dependencies: { a: bad } }, '/dependencies/a'],
    'in items': [{ items: bad }, '/items'],
    'in prefixItems': [{ prefixItems: [{}, bad] }, '/prefixItems/1'],
    'in contains': [{ contains: bad }, '/contains'],
    'in additionalProperties': [{ additionalProperties: bad }, '/additionalProperties'],
    'in propertyNames': [{ propertyNames: { pattern: evil } }, '/propertyNames'],
    'in unevaluatedProperties': [{ unevaluatedProperties: bad }, '/unevaluatedProperties'],
    'in unevaluatedItems': [{ unevaluatedItems: bad }, '/unevaluatedItems'],
    'in allOf, anyOf, oneOf': [{ allOf: [{ anyOf: [{ oneOf: [bad] }] }] }, '/allOf/0/anyOf/0/oneOf/0'],
    'in not, if, then, else': [{ not: { if: { then: { else: bad } } } }, '/not/if/then/else'],
    // Names of keywords are fine names for properties.
    'in a property named default': [{ properties: { default: bad } }, '/properties/default'],
    'in a property named enum': [{ properties: { enum: bad } }, '/properties/enum'],
    'in a property named const': [{ properties: { const: bad } }, '/properties/const'],
    'in a property named examples': [{ properties: { examples: bad } }, '/properties/examples'],
    'in a property named properties': [{ properties: { properties: bad } }, '/properties/properties'],
    'in a property named __proto__': [
      JSON.parse(`{"properties":{"__proto__":${JSON.stringify(bad)}}}`),
      '/properties/__proto__',
    ],
  }
  for (const [where, [schema, pointer]] of Object.entries(positions)) {
    it(where, () => expect(places(schema)).toEqual([pointer]))
  }

  it('in every common form', () => {
    for (const pattern of ['(a+)+', '(a*)*', '([a-z]+)*$', '(.*)*', '((a+)b?)+', '^(\\d+)*,', '(a{1,}){2,}']) {
      expect(places({ pattern })).toEqual(['/'])
    }
  })

  it('each, when there are many', () => {
    expect(places({ pattern: evil, properties: { a: bad, b: { items: bad } } })).toEqual([
      '/',
      '/properties/a',
      '/properties/b/items',
    ])
  })
})

describe('uniqueItems', () => {
  it('is found where the list has no bound', () => {
    expect(places({ uniqueItems: true })).toEqual(['/'])
    expect(places({ properties: { tags: { type: 'array', uniqueItems: true } } })).toEqual(['/properties/tags'])
    expect(places({ uniqueItems: true, maxItems: '5' })).toEqual(['/'])
  })

  it('is fine with maxItems beside it, and when it is off', () => {
    expect(places({ uniqueItems: true, maxItems: 100 })).toEqual([])
    expect(places({ uniqueItems: false })).toEqual([])
  })
})

describe('no alarm is raised', () => {
  it('for properties that are named as keywords are', () => {
    expect(
      places({ properties: { uniqueItems: { type: 'boolean' }, pattern: { type: 'string' }, maxItems: {} } }),
    ).toEqual([])
    expect(places({ required: ['uniqueItems', 'pattern'] })).toEqual([])
  })

  it('for values that look like schemas', () => {
    for (const keyword of ['default', 'const', 'enum', 'examples']) {
      const value = { pattern: evil, uniqueItems: true, properties: { a: bad } }
      expect(places({ [keyword]: keyword === 'const' || keyword === 'default' ? value : [value] })).toEqual([])
      expect(places({ properties: { a: { [keyword]: [value] } } })).toEqual([])
    }
  })

  it('for patterns that are safe', () => {
    const patterns = [
      '^[a-z]+$',
      '^\\d{4}-\\d{2}-\\d{2}$',
      '^(a|b)*$',
      '^[^@\\s]+@[^@\\s]+$',
      '^.{1,200}$',
      '^(foo|bar)+$',
    ]
    expect(patterns.filter((pattern) => places({ pattern }).length > 0)).toEqual([])
    // A long one with many repetitions side by side, as ids and versions have them.
    expect(places({ pattern: `^${'[a-z]+-'.repeat(40)}$` })).toEqual([])
  })

  it('for what is no schema at all: that is for the compiler to say', () => {
    for (const schema of [
      {},
      { properties: null },
      { items: true },
      { allOf: {} },
      { properties: 'abc' },
      { pattern: 7 },
    ]) {
      expect(places(schema)).toEqual([])
    }
  })
})
