import { Ajv2020 } from 'ajv/dist/2020.js'
import type { ErrorObject, Options } from 'ajv/dist/2020.js'
import addFormatsModule from 'ajv-formats'
import type { ValidationIssue } from '../errors.js'

// ajv-formats is CommonJS: its types name a default export that the module object itself is at run time.
const addFormats = addFormatsModule as unknown as typeof addFormatsModule.default

const ajvOptions: Options = {
  allErrors: false, // One bad document must not make 300,000 error objects (F6).
  strictSchema: true, // A misspelt keyword is an error at start, not a rule that never holds.
  strictNumbers: true,
  strictTypes: false,
  strictTuples: false,
  strictRequired: false,
  allowUnionTypes: true,
  validateFormats: true,
  // Never: $data (CVE-2025-69873), loadSchema (SSRF), useDefaults, coerceTypes (they change the data) (F5, F8, F10).
}

/** An ajv for JSON Schema 2020-12 that validates and never changes what it is given. */
export function createAjv(options: Pick<Options, 'validateSchema'> = {}): Ajv2020 {
  const ajv = new Ajv2020({ ...ajvOptions, ...options })
  addFormats(ajv)
  return ajv
}

/** What ajv found, as pointers and rules without values; `prefix` stands before every pointer. */
export function toIssues(errors: readonly ErrorObject[] | null | undefined, prefix: string): ValidationIssue[] {
  return (errors ?? []).slice(0, 20).map((error) => ({
    pointer: prefix + error.instancePath,
    keyword: error.keyword,
    message: error.message ?? 'is invalid',
  }))
}
