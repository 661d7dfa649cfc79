import { defineCommand, defineEvent } from '@posthorn/contracts'
import type { CommandContract, EventContract } from '@posthorn/contracts'
import { structuredMode } from '@posthorn/core'
import type { Envelope } from '@posthorn/core'
import type { WireMessage } from '@posthorn/core/adapter'

/** The data of every message of the suite. */
export interface Note {
  /** Tells the messages of a case apart. */
  readonly n: number
  readonly key?: string
  readonly text?: string
}

/** The contracts of one case, on one destination. */
export interface CaseContracts {
  readonly noted: EventContract<Note>
  /** As `noted`, with `key` as its partition key. */
  readonly keyed: EventContract<Note>
  /** A type that the group of the case does not handle, unless it says so. */
  readonly other: EventContract<Note>
  readonly asked: CommandContract<Note>
}

const schema = {
  type: 'object',
  required: ['n'],
  properties: { n: { type: 'integer' }, key: { type: 'string' }, text: { type: 'string' } },
}

/** Makes the contracts for a destination; their types begin with `prefix`, since a type has one home. */
export function contractsFor(destination: string, prefix = 'conformance'): CaseContracts {
  const common = (name: string): { type: string; destination: string; schema: typeof schema } => ({
    type: `${prefix}.${name}.v1`,
    destination,
    schema,
  })
  return {
    noted: defineEvent.typed<Note>()(common('noted')),
    keyed: defineEvent.typed<Note>()({ ...common('keyed'), partitionKey: ({ key }) => key ?? 'none' }),
    other: defineEvent.typed<Note>()(common('other')),
    asked: defineCommand.typed<Note>()(common('asked')),
  }
}

/** The data of `count` messages, numbered from 0. */
export function notes(count: number): Note[] {
  return Array.from({ length: count }, (_, n) => ({ n }))
}

/** The numbers of what a probe saw, in its order. */
export function numbersOf(seen: readonly { readonly data: Note }[]): number[] {
  return seen.map(({ data }) => data.n)
}

/** The numbers in ascending order, for what may arrive in any order. */
export function sortedNumbersOf(seen: readonly { readonly data: Note }[]): number[] {
  return numbersOf(seen).sort((one, other) => one - other)
}

/** A message as bytes, for cases that send what no publisher would let out. Without overrides it is a valid `noted`. */
export function wireMessage(
  id: string,
  overrides: Partial<WireMessage> & { readonly data?: unknown } = {},
): WireMessage {
  const { data = { n: 1 }, ...message } = overrides
  const type = message.type ?? 'conformance.noted.v1'
  const envelope: Envelope = { specversion: '1.0', id, source: '/conformance/raw', type, data }
  const { body, contentType } = structuredMode().write(envelope, wireContext)
  return { body, contentType, id, type, headers: {}, ...message }
}

const wireContext = { limits: { maxBodyBytes: Number.MAX_SAFE_INTEGER, maxDepth: 1_000 }, binaryPrefix: 'ce_' }

/** The time between one call of a handler and the next, in milliseconds. */
export function waitsOf(seen: readonly { readonly at: number }[]): number[] {
  return seen.slice(1).map(({ at }, index) => at - seen[index]!.at)
}

/** `each` messages of each of `keys` keys, the keys taking turns; `n` counts within the key. */
export function keyedNotes(amount: { readonly keys: number; readonly each: number }): Note[] {
  const { keys, each } = amount
  return Array.from({ length: keys * each }, (_, at) => ({ n: Math.floor(at / keys), key: `key-${at % keys}` }))
}

/** The numbers of what a probe saw, for each key in its order. */
export function numbersByKey(seen: readonly { readonly data: Note }[]): Map<string, number[]> {
  const byKey = new Map<string, number[]>()
  for (const { data } of seen) {
    const key = data.key ?? ''
    byKey.set(key, [...(byKey.get(key) ?? []), data.n])
  }
  return byKey
}
