import type { JsonSchema } from '@posthorn/contracts'
import isSafeRegex from 'safe-regex2'

/**
 * Lists what in a schema may let one small message block the event loop: nested repetitions in a pattern (28 characters
 * took 9 s) and `uniqueItems` over lists without a bound, which is quadratic. A hint, no proof: some nested
 * repetitions are harmless, and some alternatives that are not nested are not.
 */
export function schemaHazards(schema: JsonSchema): string[] {
  const hazards: string[] = []
  walk(schema, '', hazards)
  return hazards
}

const mapsOfSchemas = ['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas', 'dependencies']
const listsOfSchemas = ['allOf', 'anyOf', 'oneOf', 'prefixItems']
const schemas = [
  'items',
  'contains',
  'additionalProperties',
  'propertyNames',
  'unevaluatedItems',
  'unevaluatedProperties',
  'not',
  'if',
  'then',
  'else',
]

/** Follows keywords that hold schemas, so that a property named `default` is looked into and an example is not. */
function walk(node: unknown, pointer: string, hazards: string[]): void {
  if (typeof node !== 'object' || node === null || Array.isArray(node)) return
  const schema = node as JsonSchema
  inspect(schema, pointer, hazards)
  for (const key of schemas) walk(schema[key], `${pointer}/${key}`, hazards)
  for (const key of [...mapsOfSchemas, ...listsOfSchemas]) {
    for (const [name, child] of Object.entries(schema[key] ?? {})) {
      walk(child, `${pointer}/${key}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`, hazards)
    }
  }
}

function inspect(
  { pattern, patternProperties, uniqueItems, maxItems }: JsonSchema,
  at: string,
  hazards: string[],
): void {
  const patterns = typeof pattern === 'string' ? [pattern] : []
  if (typeof patternProperties === 'object' && patternProperties !== null) {
    patterns.push(...Object.keys(patternProperties))
  }
  for (const source of patterns) {
    // The limit on repetitions is lifted: only nested ones are exponential.
    if (!isSafeRegex(source, { limit: 1000 })) {
      hazards.push(
        `${at || '/'}: the pattern ${JSON.stringify(source)} nests repetitions and may take exponential time`,
      )
    }
  }
  if (uniqueItems === true && typeof maxItems !== 'number') {
    hazards.push(`${at || '/'}: uniqueItems takes quadratic time; set maxItems beside it`)
  }
}
