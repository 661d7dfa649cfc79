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
  const isPlain = plainEnvelopes()
  return (envelope) => {
    if (!isPlain(envelope) && !validate(envelope)) throw invalid(toIssues(validate.errors, ''))
    if (!isShortAndWhole(envelope.id)) checkBytes('id', envelope.id)
    if (!isShortAndWhole(envelope.type)) checkBytes('type', envelope.type)
  }
}

/** What the schema says of one attribute that is a string. */
interface StringRule {
  readonly isRequired: boolean
  readonly obeys: (value: string) => boolean
  /** The last value that obeyed: a source or a type is the same for thousands of messages. */
  seen: string | undefined
}

/**
 * Says at once of most valid envelopes that they are: those of strings that the schema names, and data. The rules are read
 * from the schema. Of every other envelope it says nothing, and the schema as a whole decides. Half the time of that.
 */
function plainEnvelopes(): (envelope: Envelope) => boolean {
  const rules = stringRules()
  const requiredCount = [...rules.values()].filter(({ isRequired }) => isRequired).length
  return (envelope) => {
    let found = 0
    for (const name in envelope) {
      if (name === 'data') continue
      const rule = rules.get(name)
      const value: unknown = envelope[name as keyof Envelope]
      if (rule === undefined || typeof value !== 'string') return false
      if (value !== rule.seen) {
        if (!rule.obeys(value)) return false
        rule.seen = value
      }
      if (rule.isRequired) found += 1
    }
    return found === requiredCount
  }
}

function stringRules(): Map<string, StringRule> {
  const { dependentSchemas, properties, required } = envelopeSchema as unknown as {
    readonly dependentSchemas: object
    readonly properties: Readonly<Record<string, PropertySchema | true>>
    readonly required: readonly string[]
  }
  const rules = new Map<string, StringRule>()
  for (const [name, property] of Object.entries(properties)) {
    // What another attribute depends on, or what has other keywords, is for the whole schema.
    if (property === true || name in dependentSchemas || !Object.keys(property).every((key) => known.has(key))) continue
    rules.set(name, { isRequired: required.includes(name), obeys: obeysOf(property), seen: undefined })
  }
  return rules
}

/** Keywords that a rule covers; `type` is always a string. */
const known = new Set(['$comment', 'description', 'type', 'const', 'maxLength', 'pattern'])

interface PropertySchema {
  readonly const?: string
  readonly maxLength?: number
  readonly pattern?: string
}

function obeysOf(property: PropertySchema): StringRule['obeys'] {
  // In UTF-16 units, of which a character has one or two: what is too long so may still obey, which the schema says then.
  const { const: only, maxLength = Infinity, pattern = '' } = property
  if (only !== undefined) return (value) => value === only
  const regex = new RegExp(pattern, 'u')
  return (value) => value.length <= maxLength && regex.test(value)
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
