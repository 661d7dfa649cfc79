import type { Envelope } from '@posthorn/contracts'
import { attributeProblem } from '@posthorn/contracts'
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
    // JSON Schema counts characters, brokers count bytes.
    const problem = attributeProblem('id', envelope.id) ?? attributeProblem('type', envelope.type)
    if (problem !== undefined) {
      throw invalid([{ pointer: problem.startsWith('id') ? '/id' : '/type', keyword: 'maxBytes', message: problem }])
    }
  }
}

function invalid(issues: readonly ValidationIssue[]): EnvelopeValidationError {
  const places = issues.map((issue) => `${issue.pointer || '/'} ${issue.message}`).join('; ')
  return new EnvelopeValidationError({
    code: 'POSTHORN_INVALID_ENVELOPE',
    message: `The envelope is invalid: ${places}`,
    issues,
  })
}
