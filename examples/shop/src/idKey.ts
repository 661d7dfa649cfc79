import { createHash } from 'node:crypto'
import { attributeProblem } from '@posthorn/contracts'

/**
 * A short key for an id of any length: the id itself where it can travel as an attribute, else its hash. The schemas
 * allow ids with control characters and of a megabyte; partition keys and sets of known users need them small.
 */
export function idKey(id: string): string {
  if (attributeProblem('id', id) === undefined) return id
  return `sha256-${createHash('sha256').update(id, 'utf16le').digest('hex')}`
}
