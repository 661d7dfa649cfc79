import { canonicalSchema } from '@posthorn/contracts'
import type { Contract, JsonSchema } from '@posthorn/contracts'
import type { Ajv2020, ValidateFunction } from 'ajv/dist/2020.js'
import { ConfigurationError, EnvelopeValidationError } from '../errors.js'
import type { Logger } from '../logger.js'
import { createAjv, requireSchema, toIssues } from './ajvSetup.js'
import { issuePlaces } from './issuePlaces.js'
import { schemaHazards } from './schemaHazards.js'

/** Throws `POSTHORN_INVALID_DATA` with pointers unless the data obeys the contract's schema. */
export type DataValidator = (data: unknown) => void

/** The contracts of one service: one schema per type, each compiled once. */
export interface ContractRegistry {
  /** Lists what keeps the contract from being used here: another schema for its type, a schema that does not compile. */
  problems(contract: Contract): string[]
  /** The contract's validator, compiled at the first call; throws a `ConfigurationError` where there are problems. */
  validatorOf(contract: Contract): DataValidator
}

interface Entry {
  readonly contract: Contract
  readonly validate?: DataValidator
  readonly problems: readonly string[]
}

/** Options of a registry. */
export interface ContractRegistryOptions {
  /** What happens with schemas that can block the event loop. */
  readonly unsafeSchemas: 'warn' | 'refuse' | 'allow'
  readonly logger: Logger
}

export function createContractRegistry({ unsafeSchemas, logger }: ContractRegistryOptions): ContractRegistry {
  const byContract = new WeakMap<Contract, Entry>()
  const byType = new Map<string, Entry>()
  const compileOnce = createSchemaCompiler()

  function enter(contract: Contract): Entry {
    if (typeof contract?.identity !== 'string') return { contract, problems: [noContract] }
    const known = byType.get(contract.type)
    const entry = known === undefined ? compile(contract) : sameOrConflict(known, contract)
    if (known === undefined && entry.problems.length === 0) byType.set(contract.type, entry)
    byContract.set(contract, entry)
    return entry
  }

  function compile(contract: Contract): Entry {
    const hazards = unsafeSchemas === 'allow' ? [] : schemaHazards(contract.schema)
    if (hazards.length > 0 && unsafeSchemas === 'refuse') {
      return { contract, problems: hazards.map((hazard) => `contract ${contract.type}: schema ${hazard}`) }
    }
    if (hazards.length > 0) {
      const facts = { event: 'schema.unsafe', type: contract.type, hazards }
      logger.warn(facts, 'A schema may let one message block the process; see unsafeSchemas')
    }
    if (contract.schema['$async'] !== undefined) {
      // Its validator answers with a promise, which counts as "valid" whatever comes of it.
      return { contract, problems: [`contract ${contract.type}: an $async schema cannot be used; remove $async`] }
    }
    try {
      return { contract, problems: [], validate: dataValidator(contract, compileOnce(contract)) }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      return { contract, problems: [`contract ${contract.type}: the schema does not compile: ${reason}`] }
    }
  }

  const entryOf = (contract: Contract): Entry => byContract.get(contract) ?? enter(contract)

  return {
    problems: (contract) => [...entryOf(contract).problems],
    validatorOf(contract) {
      const entry = entryOf(contract)
      if (entry.validate === undefined) throw new ConfigurationError(`Contract ${contract?.type}`, entry.problems)
      return entry.validate
    },
  }
}

const noContract = 'a contract is made by defineEvent or defineCommand; undefined may come of an import cycle'

function sameOrConflict(known: Entry, contract: Contract): Entry {
  const problems: string[] = []
  if (known.contract.identity !== contract.identity) {
    problems.push(`two schemas for the type ${contract.type}; give the changed one a new major version`)
  }
  if (known.contract.destination !== contract.destination || known.contract.kind !== contract.kind) {
    problems.push(
      `the type ${contract.type} is a ${known.contract.kind} on ${known.contract.destination} ` +
        `and a ${contract.kind} on ${contract.destination}; one type has one home`,
    )
  }
  return problems.length === 0 ? known : { contract, problems }
}

/**
 * Compiles each schema once: contracts whose schemas are equal share the validator, which the engine then optimizes
 * once (200 copies of one cost 1.6 times as much per message).
 */
function createSchemaCompiler(): (contract: Contract) => ValidateFunction {
  const ajv = createAjv()
  const compiled = new Map<string, ValidateFunction>()
  return ({ schema }) => {
    const canonical = canonicalSchema(schema)
    const known = compiled.get(canonical)
    if (known !== undefined) return known
    const validate = compileAlone(ajv, schema)
    compiled.set(canonical, validate)
    return validate
  }
}

/** Every schema stands alone: its `$id` is free again afterwards, and none refers to another by chance of the order. */
function compileAlone(ajv: Ajv2020, schema: JsonSchema): ValidateFunction {
  requireSchema(schema)
  const id = schema['$id']
  if (typeof id === 'string' && ajv.getSchema(id) !== undefined) throw new Error(`${id} is an id of JSON Schema itself`)
  try {
    return ajv.compile(schema)
  } finally {
    ajv.removeSchema(schema)
  }
}

function dataValidator({ type, schema }: Contract, validate: ValidateFunction): DataValidator {
  return (data) => {
    if (validate(data)) return
    const prefix = '/data'
    const issues = toIssues(validate.errors, prefix)
    const places = issuePlaces(issues, schema, { data, prefix })
    throw new EnvelopeValidationError({
      code: 'POSTHORN_INVALID_DATA',
      message: `The data of ${type} is invalid: ${places}`,
      details: { type },
      issues,
    })
  }
}
