import type { JsonSchema } from '@posthorn/contracts'
import isSafeRegex from 'safe-regex2'

/**
 * Lists what in a schema lets one small message block the event loop: a pattern that backtracks exponentially (28
 * characters took 9 s, F5) and `uniqueItems` over lists without a bound, which is quadratic (F7).
 */
export function schemaHazards(schema: JsonSchema): string[] {
  const hazards: string[] = []
  walk(schema, '', hazards)
  return hazards
}

function walk(node: unknown, pointer: string, hazards: string[]): void {
  if (typeof node !== 'object' || node === null) return
  if (!Array.isArray(node)) inspect(node as JsonSchema, pointer, hazards)
  for (const [key, child] of Object.entries(node)) {
    if (key === 'enum' || key === 'const' || key === 'examples' || key === 'default') continue
    walk(child, `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`, hazards)
  }
}

function inspect(node: JsonSchema, pointer: string, hazards: string[]): void {
  const { pattern, patternProperties, uniqueItems, maxItems } = node
  const patterns = typeof pattern === 'string' ? [pattern] : []
  if (typeof patternProperties === 'object' && patternProperties !== null) {
    patterns.push(...Object.keys(patternProperties))
  }
  for (const source of patterns) {
    // The limit on repetitions is lifted: only nested ones are exponential.
    if (!isSafeRegex(source, { limit: 1000 })) {
      hazards.push(`${pointer || '/'}: the pattern ${JSON.stringify(source)} can take exponential time; rewrite it`)
    }
  }
  if (uniqueItems === true && typeof maxItems !== 'number') {
    hazards.push(`${pointer || '/'}: uniqueItems takes quadratic time; set maxItems beside it`)
  }
}
