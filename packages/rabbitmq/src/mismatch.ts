import type { TopologyArguments } from './topologyOptions.js'

/** One setting that is another one on the broker. */
export interface Difference {
  /** As the broker names it: `x-message-ttl`, `durable`, `type`. */
  readonly argument: string
  /** Undefined: not set. */
  readonly expected: string | number | boolean | undefined
  readonly actual: string | number | boolean | undefined
}

const refusal = /inequivalent arg '([^']+)' for (?:queue|exchange) .*: received (.+) but current is (.+?)"?$/s

/** The difference that a 406 tells of; undefined when it says something else. */
export function differenceOf(text: string): Difference | undefined {
  const [, argument, expected, actual] = refusal.exec(text) ?? []
  if (argument === undefined || expected === undefined || actual === undefined) return undefined
  return { argument, expected: valueOf(expected), actual: valueOf(actual) }
}

/** `none`, `'true'` or `'5'` (a flag, and arguments that the broker knows), or `the value '5' of type 'long'`. */
function valueOf(text: string): string | number | boolean | undefined {
  if (text === 'none') return undefined
  const typed = /^the value '(.*)' of type '([a-z]+)'$/s.exec(text)
  if (typed === null) {
    const bare = text.replace(/^'(.*)'$/s, '$1')
    if (bare === 'true' || bare === 'false') return bare === 'true'
    return /^-?[0-9]+$/.test(bare) ? Number(bare) : bare
  }
  const [, value = '', type] = typed
  if (type === 'bool') return value === 'true'
  return type === 'longstr' ? value : Number(value)
}

/** The same arguments but one, so that the broker goes on to the next difference; undefined when that cannot be. */
export function withActual(
  { arguments: given, durable }: { readonly arguments: TopologyArguments; readonly durable: boolean },
  { argument, actual }: Difference,
): { arguments: TopologyArguments; durable: boolean } | undefined {
  if (argument === 'durable') return { arguments: given, durable: !durable }
  if (!argument.startsWith('x-')) return undefined
  const { [argument]: _dropped, ...rest } = given
  return { arguments: actual === undefined ? rest : { ...rest, [argument]: actual }, durable }
}

/** For people: `x-message-ttl is 200, expected 100`. */
export function describeDifferences(differences: readonly Difference[]): string {
  return differences
    .map(({ argument, expected, actual }) => `${argument} is ${shown(actual)}, expected ${shown(expected)}`)
    .join('; ')
}

function shown(value: Difference['actual']): string {
  return value === undefined ? 'not set' : JSON.stringify(value)
}
