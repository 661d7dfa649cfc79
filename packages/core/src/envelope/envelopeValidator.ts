import type { Envelope } from '@posthorn/contracts'
import { attributeProblem, maxIdBytes } from '@posthorn/contracts'
import { envelopeSchema } from '@posthorn/schemas'
import { EnvelopeValidationError } from '../errors.js'
import type { ValidationIssue } from '../errors.js'
import { createAjv, toIssues } from './ajvSetup.js'

/** Throws `POSTHORN_INVALID_ENVELOPE` with pointers unless the envelope obeys `schemas/envelope.schema.json`. */
export type EnvelopeValidator = (envelope: Envelope) => void

/** Compiles the envelope's schema; once per service. */
export function createEnvelopeValidator(): EnvelopeValidator {
  const validate = createAjv().compile(envelopeSchema)
  return (envelope) => {
    if (!validate(envelope)) throw invalid(toIssues(validate.errors, ''))
    if (!isShortAndWhole(envelope.id)) checkBytes('id', envelope.id)
    if (!isShortAndWhole(envelope.type)) checkBytes('type', envelope.type)
  }
}

/** JSON Schema counts characters, brokers count bytes, at most three for a UTF-16 unit; half a pair would arrive as U+FFFD. */
function isShortAndWhole(value: string): boolean {
  return value.length <= maxIdBytes / 3 && (value as string & { isWellFormed(): boolean }).isWellFormed() // ES2024.
}

function checkBytes(name: 'id' | 'type', value: string): void {
  const message = attributeProblem(name, value)
  if (message !== undefined) throw invalid([{ pointer: `/${name}`, keyword: 'maxBytes', message }])
}

function invalid(issues: readonly ValidationIssue[]): EnvelopeValidationError {
  const places = issues.map((issue) => `${issue.pointer || '/'} ${issue.message}`).join('; ')
  return new EnvelopeValidationError({
    code: 'POSTHORN_INVALID_ENVELOPE',
    message: `The envelope is invalid: ${places}`,
    issues,
  })
}
