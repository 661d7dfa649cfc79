import { ConfigurationError } from './errors.js'

/** What an option may be; `undefined` always means "not given" unless `required`. */
export type OptionRule = (value: unknown, path: string) => string | undefined

/**
 * Checks an options object against its rules and lists every problem: unknown keys, missing and impossible values.
 * `path` names the object in the messages: `retry.delaysMs`.
 */
export function optionProblems(
  path: string,
  options: unknown,
  rules: Readonly<Record<string, OptionRule>>,
  required: readonly string[] = [],
): string[] {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    return [`${path || 'the options'} must be an object`]
  }
  const problems: string[] = []
  const values = options as Record<string, unknown>
  for (const key of Object.keys(values)) {
    const rule = Object.hasOwn(rules, key) ? rules[key] : undefined
    const where = path === '' ? key : `${path}.${key}`
    if (rule === undefined) {
      problems.push(`${where} is no known option; known are ${Object.keys(rules).join(', ')}`)
    } else if (values[key] !== undefined) {
      const problem = rule(values[key], where)
      if (problem !== undefined) problems.push(problem)
    }
  }
  for (const key of required) {
    if (values[key] === undefined) problems.push(`${path === '' ? key : `${path}.${key}`} is required`)
  }
  return problems
}

/** A whole number between `min` and `max`, both included. */
export function wholeNumber(min: number, max: number = Number.MAX_SAFE_INTEGER): OptionRule {
  return (value, path) =>
    Number.isInteger(value) && (value as number) >= min && (value as number) <= max
      ? undefined
      : `${path} must be a whole number from ${min} to ${max}, not ${show(value)}`
}

/** The same, or `false`. */
export function wholeNumberOrFalse(min: number, max?: number): OptionRule {
  const number = wholeNumber(min, max)
  return (value, path) => {
    const problem = value === false ? undefined : number(value, path)
    return problem?.replace(', not', ', or false, not')
  }
}

/** One of the listed strings. */
export function oneOf(...choices: readonly string[]): OptionRule {
  return (value, path) =>
    choices.includes(value as string)
      ? undefined
      : `${path} must be ${choices.map((choice) => `'${choice}'`).join(' or ')}, not ${show(value)}`
}

/** A string that is not empty. */
export const text: OptionRule = (value, path) =>
  typeof value === 'string' && value !== '' ? undefined : `${path} must be a string that is not empty`

export const boolean: OptionRule = (value, path) =>
  typeof value === 'boolean' ? undefined : `${path} must be true or false, not ${show(value)}`

export const callable: OptionRule = (value, path) =>
  typeof value === 'function' ? undefined : `${path} must be a function`

/** Any object; what it must have is checked by its own rules. */
export const object: OptionRule = (value, path) =>
  (typeof value === 'object' && value !== null) || typeof value === 'function' ? undefined : `${path} must be an object`

/** A list whose elements all obey `rule`. */
export function listOf(rule: OptionRule, minLength = 0): OptionRule {
  return (value, path) => {
    if (!Array.isArray(value)) return `${path} must be a list`
    if (value.length < minLength) return `${path} must have at least ${minLength} element`
    // Array.from sees the holes of a sparse list, which map passes over.
    return Array.from(value, (element, index) => rule(element, `${path}[${index}]`)).find(
      (problem) => problem !== undefined,
    )
  }
}

/** An object of settings as brokers take them: strings, whole numbers and booleans. */
export const scalars: OptionRule = (value, path) => {
  const problem = object(value, path)
  if (problem !== undefined) return problem
  const wrong = Object.entries(value as object).find(
    ([, one]) => typeof one !== 'string' && typeof one !== 'boolean' && !Number.isSafeInteger(one),
  )
  return wrong === undefined ? undefined : `${path}.${wrong[0]} must be a string, a whole number or a boolean`
}

/** Taken as it is. */
export const anything: OptionRule = () => undefined

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 60))
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : `a value of type ${typeof value}`
}

/** Throws a `ConfigurationError` when there are problems. */
export function refuseProblems(what: string, problems: readonly string[]): void {
  if (problems.length > 0) throw new ConfigurationError(what, problems)
}

/** The defaults, and over them what was given: a key whose value is undefined was not given. */
export function withDefaults<T extends object>(defaults: T, given: { readonly [Key in keyof T]?: T[Key] } = {}): T {
  const result = { ...defaults }
  for (const key of Object.keys(defaults) as (keyof T)[]) {
    const value = given[key]
    if (value !== undefined) result[key] = value
  }
  return result
}
