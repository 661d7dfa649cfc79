import { Ajv2020 } from 'ajv/dist/2020.js'
import type { AnySchemaObject, ErrorObject, Options } from 'ajv/dist/2020.js'
import { envelopeSchema } from '@posthorn/schemas'
import addFormatsModule from 'ajv-formats'
import type { ValidationIssue } from '../errors.js'

// ajv-formats is CommonJS: its types name a default export that the module object itself is at run time.
const addFormats = addFormatsModule as unknown as typeof addFormatsModule.default

const ajvOptions: Options = {
  allErrors: false, // One bad document must not make 300,000 error objects.
  strictSchema: true, // A misspelt keyword is an error at start, not a rule that never holds.
  strictNumbers: true,
  strictTypes: false,
  strictTuples: false,
  strictRequired: false,
  allowUnionTypes: true,
  validateFormats: true,
  validateSchema: false,
  // Never: $data (CVE-2025-69873), loadSchema (SSRF), useDefaults, coerceTypes (they change the data).
}

const rfc3339 = new RegExp(envelopeSchema.properties.time.pattern)

/**
 * An ajv for JSON Schema 2020-12 that validates and never changes what it is given. It takes schemas for valid: ask
 * `requireSchema` before.
 */
export function createAjv(): Ajv2020 {
  const ajv = new Ajv2020(ajvOptions)
  addFormats(ajv)
  // RFC 3339 as the envelope has it: the format of ajv-formats also takes a space for the T and "+01".
  ajv.addFormat('date-time', rfc3339)
  return ajv
}

/** Shared by all services, since the dialect's schema takes longer to compile than everything else at a start (35 ms). */
const dialect = createAjv()

/** Throws unless a schema is one of JSON Schema 2020-12. */
export function requireSchema(schema: AnySchemaObject): void {
  if (dialect.validateSchema(schema) !== true) throw new Error(`schema is invalid: ${dialect.errorsText()}`)
}

/** What ajv found, as pointers and rules without values; `prefix` stands before every pointer. */
export function toIssues(errors: readonly ErrorObject[] | null | undefined, prefix: string): ValidationIssue[] {
  return (errors ?? []).slice(0, 20).map((error) => ({
    pointer: prefix + error.instancePath,
    keyword: error.keyword,
    message: error.message ?? 'is invalid',
  }))
}
