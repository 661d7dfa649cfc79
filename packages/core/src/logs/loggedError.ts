import { codeOf } from '../errors.js'
import { errorCodes } from '../errorCodes.js'
import { isSecretName, redacted, redactText } from './redactText.js'
import { clip, read } from '../consumer/describeError.js'

/** What the log says of an error: a plain object, without data and credentials. */
export interface LoggedError {
  readonly name: string
  readonly message: string
  readonly code?: string | number
  readonly stack?: string
  /** Its causes and those of an AggregateError, from the outside in. */
  readonly causes?: readonly ErrorLink[]
  /** Facts of Posthorn's own errors, and what the system and the databases tell of theirs. */
  readonly [fact: string]: unknown
}

interface ErrorLink {
  readonly name: string
  readonly message: string
  readonly code?: string | number
}

/** Stands for what an error says, where that may quote data. */
export const hiddenMessage = '[not logged: see logs.errorMessages]'

const maxLinks = 8
const maxListed = 20
const maxDepth = 3
const maxTextLength = 1_000
const maxStackLength = 6_000

/** Facts of our own errors. Not the `issues`: their pointers have keys of maps, and the message says the rest of them. */
const ownFacts = ['retryable', 'outcome']
/** Facts of Node.js, of pg and of the clients that name things of the system; `detail` of pg, for one, quotes rows. */
const systemFacts = [
  'errno',
  'syscall',
  'address',
  'hostname',
  'port',
  'type',
  'severity',
  'schema',
  'table',
  'constraint',
]
/** Without the one that users make. */
const ownClasses: ReadonlySet<unknown> = new Set(
  Object.values(errorCodes)
    .map((facts) => facts.class)
    .filter((name) => name !== 'NonRetryableError'),
)

/**
 * Describes whatever was thrown. With `hidesMessages`, what errors say is left out, but for Posthorn's own: names, codes and
 * the places in the stacks stay. Never throws, gives at most about 20 KB.
 */
export function loggedError(error: unknown, hidesMessages: boolean): LoggedError {
  const links = linksOf(error)
  const [first, ...causes] = links.map((link) => describe(link, hidesMessages))
  const stack = stackOf(links, hidesMessages)
  // Without a prototype: pino names the type by the constructor, where there is one.
  const logged: Record<string, unknown> & ErrorLink = Object.assign(
    Object.create(null) as Record<string, unknown>,
    first!,
  )
  if (stack !== undefined) logged['stack'] = stack
  if (causes.length > 0) logged['causes'] = causes
  if (typeof error === 'object' && error !== null) Object.assign(logged, factsOf(error))
  return logged
}

/** Names the error and its causes by their codes, so that failures of another kind are told apart. */
export function codesOf(error: unknown): string {
  return linksOf(error)
    .map((link) => anyCodeOf(link) ?? nameOf(link))
    .join('/')
}

/** The code of an error, also of one that is not ours. */
export function anyCodeOf(error: unknown): string | number | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  const code = read(error, 'code')
  if (typeof code === 'number') return code
  // A code is a word; what else stands there may be anything.
  return typeof code === 'string' && /^[\w.-]{1,64}$/.test(code) ? code : undefined
}

/** Plain values with texts without credentials; `depth` bounds what is followed. */
export function loggedValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return clip(redactText(value), maxTextLength)
  if (typeof value === 'bigint') return String(value)
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return value
  if (typeof value !== 'object') return undefined
  if (value instanceof Error) return describe(value, true)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? undefined : value.toISOString()
  if (depth <= 0 || ArrayBuffer.isView(value)) return '…'
  if (Array.isArray(value)) return value.slice(0, maxListed).map((element) => loggedValue(element, depth - 1))
  const shown: Record<string, unknown> = {}
  for (const key of Object.keys(value).slice(0, maxListed)) {
    shown[key] = isSecretName(key) ? redacted : loggedValue(read(value, key), depth - 1)
  }
  return shown
}

/** The error, its causes and the errors of an AggregateError; a cycle ends. */
function linksOf(error: unknown): unknown[] {
  const found: unknown[] = []
  const waiting = [error]
  while (waiting.length > 0 && found.length < maxLinks) {
    const next = waiting.shift()
    if (found.includes(next)) continue
    found.push(next)
    if (typeof next !== 'object' || next === null) continue
    const several = read(next, 'errors')
    if (Array.isArray(several)) waiting.push(...several.slice(0, maxLinks).filter((one) => one instanceof Error))
    const cause = read(next, 'cause')
    if (cause !== undefined && cause !== null) waiting.push(cause)
  }
  return found
}

function describe(link: unknown, hidesMessages: boolean): ErrorLink {
  const message = hides(link, hidesMessages) ? hiddenMessage : clip(redactText(textOf(link)), maxTextLength)
  const code = anyCodeOf(link)
  return { name: nameOf(link), message, ...(code === undefined ? {} : { code }) }
}

function nameOf(link: unknown): string {
  if (typeof link !== 'object' || link === null) return typeof link
  const name = read(link, 'name')
  return typeof name === 'string' && /^[\w.$ -]{1,100}$/.test(name) ? name : 'Error'
}

function textOf(link: unknown): string {
  if (typeof link !== 'object' || link === null) return String(link)
  const message = read(link, 'message')
  return typeof message === 'string' ? message : ''
}

/** Our own say no data; a `NonRetryableError` is made by users. */
function hides(link: unknown, hidesMessages: boolean): boolean {
  return hidesMessages && (codeOf(link) === undefined || !ownClasses.has(read(link as object, 'name')))
}

function stackOf(links: readonly unknown[], hidesMessages: boolean): string | undefined {
  const stacks: string[] = []
  for (const link of links) {
    const stack = typeof link === 'object' && link !== null ? read(link, 'stack') : undefined
    if (typeof stack !== 'string') continue
    const message = textOf(link)
    // A message may look like a place in a stack.
    const at = message === '' ? -1 : stack.indexOf(message)
    const places = (at < 0 ? stack : stack.slice(at + message.length)).split('\n').filter((line) => isPlace.test(line))
    const said = hides(link, hidesMessages) ? '' : `: ${message}`
    stacks.push(`${nameOf(link)}${said}\n${places.slice(0, maxListed).join('\n')}`)
  }
  return stacks.length === 0 ? undefined : clip(redactText(stacks.join('\ncaused by: ')), maxStackLength)
}

const isPlace = /^ {4}at .{0,300}(?::\d+:\d+\)?|<anonymous>\)?|native\)?)$/

function factsOf(error: object): Record<string, unknown> {
  const isOwn = codeOf(error) !== undefined
  const facts: Record<string, unknown> = {}
  for (const name of isOwn ? ownFacts : systemFacts) {
    const value = read(error, name)
    if (value !== undefined && (isOwn || typeof value !== 'object')) facts[name] = loggedValue(value, maxDepth)
  }
  const details = isOwn ? read(error, 'details') : undefined
  if (typeof details !== 'object' || details === null) return facts
  const { issues: _pointers, ...others } = details as Readonly<Record<string, unknown>>
  if (Object.keys(others).length > 0) facts['details'] = loggedValue(others, maxDepth)
  return facts
}
