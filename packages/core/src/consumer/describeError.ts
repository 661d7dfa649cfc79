import { codeOf } from '../errors.js'
import type { ValidationIssue } from '../errors.js'

/** What a dead letter and the log say of an error. */
export interface ErrorDescription {
  readonly name: string
  readonly message: string
  readonly stack?: string
  readonly issues?: readonly ValidationIssue[]
}

const maxNameLength = 200
const maxMessageLength = 1_000
const maxStackLength = 4_000

/**
 * Describes whatever a handler threw, also `undefined`, a string, or an object whose getters throw. Never throws,
 * and never gives more than about 5 KB.
 */
export function describeError(error: unknown): ErrorDescription {
  if (typeof error !== 'object' || error === null) {
    return { name: error === undefined ? 'undefined' : typeof error, message: clip(safeText(error), maxMessageLength) }
  }
  const name = read(error, 'name')
  const message = read(error, 'message')
  const stack = read(error, 'stack')
  // Only our own issues: those of other validators may hold data, or what JSON cannot say.
  const code = codeOf(error)
  const isOurs = code === 'POSTHORN_INVALID_DATA' || code === 'POSTHORN_INVALID_ENVELOPE'
  const issues = isOurs ? read(error, 'issues') : undefined
  return {
    name: clip(typeof name === 'string' && name !== '' ? name : 'Error', maxNameLength),
    message: clip(typeof message === 'string' ? message : safeText(error), maxMessageLength),
    ...(typeof stack === 'string' ? { stack: clip(stack, maxStackLength) } : {}),
    ...(Array.isArray(issues) ? { issues: issues as ValidationIssue[] } : {}),
  }
}

/** Reads a property of an object that may answer with an exception. */
export function read(object: object, key: string): unknown {
  try {
    return (object as Record<string, unknown>)[key]
  } catch {
    return undefined
  }
}

function safeText(value: unknown): string {
  try {
    return String(value)
  } catch {
    return 'a value that cannot be shown'
  }
}

/** The text, cut to a length. */
export function clip(value: string, length: number): string {
  return value.length <= length ? value : `${value.slice(0, length - 1)}…`
}
