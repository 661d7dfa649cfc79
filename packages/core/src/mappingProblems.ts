import { destinationProblem, groupProblem } from '@posthorn/contracts'
import { optionProblems } from './optionProblems.js'
import type { OptionRule } from './optionProblems.js'

/** How an adapter checks what maps its destinations and groups onto what exists already. */
export interface MappingRules<Destination, Group> {
  /** Of the option `topology` itself: `mode`, `destinations` and `groups` among them. */
  readonly rules: Readonly<Record<string, OptionRule>> & { readonly mode: OptionRule }
  readonly destination: Readonly<Record<keyof Destination & string, OptionRule>>
  readonly group: Readonly<Record<keyof Group & string, OptionRule>>
  /** What the rules of single keys cannot see; asked when those found nothing. */
  ofDestination(path: string, mapping: Destination): readonly string[]
  ofGroup(path: string, mapping: Group): readonly string[]
}

interface Mappings<Destination, Group> {
  readonly destinations?: Readonly<Record<string, Destination>>
  readonly groups?: Readonly<Record<string, Group>>
}

/** Lists everything that is wrong with an adapter's option `topology`, which is a mode or an object. */
export function mappingProblems<Destination, Group>(
  given: unknown,
  checks: MappingRules<Destination, Group>,
): string[] {
  if (given === undefined) return []
  if (typeof given === 'string') {
    const problem = checks.rules.mode(given, 'topology')
    return problem === undefined ? [] : [problem]
  }
  const problems = optionProblems('topology', given, checks.rules)
  if (problems.length > 0) return problems
  const { destinations = {}, groups = {} } = given as Mappings<Destination, Group>
  for (const [name, mapping] of Object.entries(destinations)) {
    const path = `topology.destinations['${name}']`
    const wrong = optionProblems(path, mapping, checks.destination)
    const named = destinationProblem(name)
    if (named !== undefined) wrong.unshift(`topology.destinations: ${named}`)
    problems.push(...wrong, ...(wrong.length > 0 ? [] : checks.ofDestination(path, mapping)))
  }
  for (const [name, mapping] of Object.entries(groups)) {
    const path = `topology.groups['${name}']`
    const wrong = optionProblems(path, mapping, checks.group)
    const dot = name.lastIndexOf('.')
    const named = destinationProblem(name.slice(0, Math.max(dot, 0))) ?? groupProblem(name.slice(dot + 1))
    if (named !== undefined) wrong.unshift(`topology.groups: '${name}' is no '<destination>.<group>': ${named}`)
    problems.push(...wrong, ...(wrong.length > 0 ? [] : checks.ofGroup(path, mapping)))
  }
  return problems
}
