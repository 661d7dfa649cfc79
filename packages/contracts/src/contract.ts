import { schemaHash } from './canonicalSchema.js'
import type { DataOf, JsonSchema, WithoutTransforms } from './jsonSchema.js'
import { attributeProblem, destinationProblem } from './names.js'
import { readSchema } from './readSchema.js'

/** An event tells what happened: any number of groups may listen. A command asks: somebody must receive it. */
export type ContractKind = 'event' | 'command'

/** What producers and consumers of one message type agree on. Made by `defineEvent` and `defineCommand`. */
export interface Contract<Data = unknown, Kind extends ContractKind = ContractKind> {
  readonly kind: Kind
  readonly type: string
  readonly destination: string
  readonly schema: JsonSchema
  /** URI of the exact schema: its `$id` when that is absolute, else a URN of type and hash. */
  readonly dataschema: string
  /** Type and hash of the canonical schema: two installed copies of a contract package count as one contract. */
  readonly identity: string
  /** The key whose messages belong in order; undefined when the contract names none. */
  partitionKey(data: Data): string | undefined
}

export type EventContract<Data = unknown> = Contract<Data, 'event'>
export type CommandContract<Data = unknown> = Contract<Data, 'command'>

/** What `defineEvent` and `defineCommand` take. */
export interface ContractDefinition<Schema, Data> {
  /** CloudEvents `type`, reverse-DNS with the major version at its end: `com.example.shop.order.placed.v1`. */
  readonly type: string
  /** Logical address: a topic on Kafka, an exchange on RabbitMQ. `[A-Za-z0-9._-]{1,100}`. */
  readonly destination: string
  /** JSON Schema 2020-12 of `data`, as a literal, or a Standard JSON Schema (zod 4.2+, ArkType, TypeBox). */
  readonly schema: Schema
  /**
   * Names the key whose messages belong in order.
   * @default no key: messages spread over all partitions
   */
  readonly partitionKey?: (data: Data) => string
}

interface Define<Kind extends ContractKind> {
  /**
   * Makes a contract whose data type follows from the schema. Throws a `ContractError` that lists all problems at once.
   * A schema with transforms does not compile, because data would differ between the two sides of the wire.
   */
  <const Schema>(
    definition: ContractDefinition<Schema, DataOf<Schema>> & WithoutTransforms<Schema>,
  ): Contract<DataOf<Schema>, Kind>
  /** For a schema that is only known as JSON (an imported file): the data type is given. */
  typed<Data>(): (definition: ContractDefinition<JsonSchema, Data>) => Contract<Data, Kind>
}

/** A contract definition that cannot work. Carries the code that `ConfigurationError` of `@posthorn/core` has. */
export class ContractError extends Error {
  readonly code = 'POSTHORN_CONFIGURATION'
  readonly retryable = false
  /** Every problem that was found, in plain words. */
  readonly details: { readonly problems: readonly string[] }

  constructor(problems: readonly string[]) {
    super(`The contract cannot work:\n${problems.map((problem) => `- ${problem}`).join('\n')}`)
    this.name = 'ContractError'
    this.details = { problems }
  }
}

/** Defines a message that tells what happened. Unrouted is fine: the publisher is told with `routed: false`. */
export const defineEvent: Define<'event'> = definer('event')

/** Defines a message that somebody must receive: where the transport can tell, publishing it unrouted rejects. */
export const defineCommand: Define<'command'> = definer('command')

function definer<Kind extends ContractKind>(kind: Kind): Define<Kind> {
  const define = (definition: ContractDefinition<unknown, never>): Contract<never, Kind> => make(kind, definition)
  return Object.assign(define, { typed: () => define }) as Define<Kind>
}

const definitionKeys = new Set(['type', 'destination', 'schema', 'partitionKey'])

function make<Kind extends ContractKind>(
  kind: Kind,
  definition: ContractDefinition<unknown, never>,
): Contract<never, Kind> {
  if (typeof definition !== 'object' || definition === null)
    throw new ContractError(['the definition must be an object'])
  const { type, destination, partitionKey } = definition
  const schema = readSchema(definition.schema)
  const problems = [
    ...Object.keys(definition)
      .filter((key) => !definitionKeys.has(key))
      .map((key) => `unknown key "${key}"; known are ${[...definitionKeys].join(', ')}`),
    attributeProblem('type', type),
    destinationProblem(destination),
    typeof schema === 'string' ? schema : undefined,
    partitionKey === undefined || typeof partitionKey === 'function' ? undefined : 'partitionKey must be a function',
  ].filter((problem) => problem !== undefined)
  if (problems.length > 0 || typeof schema === 'string') {
    throw new ContractError(
      problems.map((problem) => `${kind}${typeof type === 'string' ? ` ${type}` : ''}: ${problem}`),
    )
  }
  const hash = schemaHash(schema.canonical)
  return Object.freeze({
    kind,
    type,
    destination,
    schema: schema.json,
    dataschema: schema.id ?? `urn:posthorn:schema:${encodeURIComponent(type)}:${hash}`,
    identity: `${type}#${hash}`,
    partitionKey: (data: never) => partitionKey?.(data),
  })
}
