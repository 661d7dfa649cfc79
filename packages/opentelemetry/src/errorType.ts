import { codeOf } from '@posthorn/core/adapter'
import type { BoundedNames } from './boundedNames.js'

/** What the conventions write for an error without a class of its own. */
const other = '_OTHER'

const className = /^[A-Za-z_$][\w$.]{0,79}$/

/** The `error.type`: the code of one of ours, the class of another. Never its message, which may quote data. */
export function errorType(error: unknown, known: BoundedNames): string {
  const code = codeOf(error)
  if (code !== undefined) return code
  if (!(error instanceof Error)) return other
  const { name } = error
  return typeof name === 'string' && className.test(name) && known.admit(name) ? name : other
}
