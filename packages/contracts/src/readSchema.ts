import { canonicalSchema } from './canonicalSchema.js'
import type { JsonSchema, StandardJsonSchema } from './jsonSchema.js'

/** A schema in the forms that a contract needs. */
export interface ReadSchema {
  readonly json: JsonSchema
  readonly canonical: string
  /** The `$id`, where it is an absolute URI. */
  readonly id: string | undefined
}

/** Reads a literal JSON Schema or a Standard JSON Schema; says in plain words why it cannot. Never throws. */
export function readSchema(schema: unknown): ReadSchema | string {
  const json = jsonOf(schema)
  if (typeof json === 'string') return json
  const id = absoluteId(json)
  if (id !== undefined && !uriPattern.test(id)) {
    return `schema has the $id ${JSON.stringify(id)}, which is no URI and cannot stand in dataschema`
  }
  try {
    return { json, canonical: canonicalSchema(json), id }
  } catch (error) {
    return `schema cannot be written as JSON: ${messageOf(error)}`
  }
}

function jsonOf(schema: unknown): JsonSchema | string {
  const notOne = 'schema must be a JSON Schema object or a Standard JSON Schema'
  if ((typeof schema !== 'object' && typeof schema !== 'function') || schema === null) return notOne
  if (!('~standard' in schema)) {
    return typeof schema === 'function' || Array.isArray(schema) ? notOne : (schema as JsonSchema)
  }
  const standard = (schema as StandardJsonSchema)['~standard']
  if (typeof standard.jsonSchema?.input !== 'function') {
    return `schema of ${standard.vendor} offers no JSON Schema; use a version that implements Standard JSON Schema`
  }
  try {
    return standard.jsonSchema.input({ target: 'draft-2020-12' })
  } catch (error) {
    return `schema of ${standard.vendor} cannot be written as JSON Schema: ${messageOf(error)}`
  }
}

// Refuses what ajv's format uri refuses in dataschema, so that an odd $id fails here and not at every publish.
const uriPattern =
  /^[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9\-._~:/?@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+(?:#(?:[A-Za-z0-9\-._~:/?@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*)?$/

function absoluteId(schema: JsonSchema): string | undefined {
  const id = schema['$id']
  return typeof id === 'string' && /^[A-Za-z][A-Za-z0-9+.-]*:/.test(id) ? id : undefined
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
