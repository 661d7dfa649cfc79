import type { FromSchema, JSONSchema } from 'json-schema-to-ts'

/** A JSON Schema (2020-12) object as it stands in a file. */
export interface JsonSchema {
  readonly [keyword: string]: unknown
}

/**
 * The part of the Standard JSON Schema specification that contracts read: validators such as zod 4.2+, ArkType and
 * TypeBox offer their JSON Schema and types through it.
 *
 * @see https://standardschema.dev/json-schema
 */
export interface StandardJsonSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
    readonly jsonSchema: {
      readonly input: (options: { readonly target: 'draft-2020-12' }) => Record<string, unknown>
    }
  }
}

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

type TypesOf<S> = S extends { readonly '~standard': { readonly types?: infer T } } ? NonNullable<T> : never

/** Compile-time message for a validator that changes its input: only ajv validates, so what arrives is never transformed. */
export interface SchemaTransformsAreNotSupported {
  readonly __error: 'A schema whose output differs from its input cannot describe data on the wire'
}

/**
 * The type of the data that a schema describes. A literal JSON Schema is read by `json-schema-to-ts`; a Standard JSON
 * Schema gives its own type, and one that transforms gives `SchemaTransformsAreNotSupported`, which no data satisfies.
 */
export type DataOf<S> = S extends { readonly '~standard': unknown }
  ? TypesOf<S> extends { readonly input: infer Input; readonly output: infer Output }
    ? Equal<Input, Output> extends true
      ? Input
      : SchemaTransformsAreNotSupported
    : unknown
  : S extends JSONSchema
    ? FromSchema<S>
    : unknown

/** Part of a definition's type that no schema with transforms satisfies: the call itself does not compile. */
export type WithoutTransforms<S> = [DataOf<S>] extends [SchemaTransformsAreNotSupported]
  ? { readonly schema: SchemaTransformsAreNotSupported }
  : unknown
