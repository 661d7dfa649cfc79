import type { JsonSchema } from '@posthorn/contracts'
import type { ValidationIssue } from '../errors.js'

/** What stands for a name that the schema does not have. */
const unnamed = '*'

/** Data, and what its pointers begin with. */
export interface PointedAt {
  readonly data: unknown
  readonly prefix: string
}

/**
 * Says in one line what is wrong where. Names of properties are told as far as the schema has them: the keys of a map are
 * data, such as addresses of people, and what this gives is logged.
 */
export function issuePlaces(
  issues: readonly ValidationIssue[],
  schema: JsonSchema,
  { data, prefix }: PointedAt,
): string {
  const names = new Set<string>()
  collectNames(schema, names)
  const shown = (pointer: string): string => prefix + shownPointer(pointer.slice(prefix.length), data, names)
  return issues.map(({ pointer, message }) => `${shown(pointer)} ${message}`).join('; ')
}

/** Every name under a `properties`, wherever it stands. */
function collectNames(node: unknown, names: Set<string>): void {
  if (typeof node !== 'object' || node === null) return
  const { properties } = node as { readonly properties?: unknown }
  if (typeof properties === 'object' && properties !== null) {
    for (const name of Object.keys(properties)) names.add(name)
  }
  for (const child of Object.values(node)) collectNames(child, names)
}

/** A number is the place in a list or a key: only the data tells. */
function shownPointer(pointer: string, data: unknown, names: ReadonlySet<string>): string {
  let value = data
  const shown = pointer.split('/').map((segment, index) => {
    if (index === 0) return segment
    const name = segment.replaceAll('~1', '/').replaceAll('~0', '~')
    const isKnown = Array.isArray(value) || names.has(name)
    value = (value as Readonly<Record<string, unknown>> | null | undefined)?.[name]
    return isKnown ? segment : unnamed
  })
  return shown.join('/')
}
