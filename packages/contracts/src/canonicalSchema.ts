import type { JsonSchema } from './jsonSchema.js'

/** JSON text with sorted keys, so that two copies of one schema compare equal whatever the order of their keywords. */
export function canonicalSchema(schema: JsonSchema): string {
  return JSON.stringify(schema, (_key, value: unknown) => (isObject(value) ? sortKeys(value) : value))
}

/**
 * 64 bits of FNV-1a over the canonical schema, as 16 hex digits. It tells schemas apart, it is no protection against
 * somebody who looks for a collision; not `node:crypto`, so that contract packages also load outside Node.js.
 */
export function schemaHash(canonical: string): string {
  let hash = 0xcbf29ce484222325n
  for (const byte of new TextEncoder().encode(canonical)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n)
  }
  return hash.toString(16).padStart(16, '0')
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function sortKeys(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
}
