import { boolean, optionProblems, wholeNumber, withDefaults } from '../optionProblems.js'
import type { OptionRule } from '../optionProblems.js'
import type { RepeatLimits } from './repeats.js'

/** What Posthorn's own records may say, and how often. */
export interface LogOptions {
  /**
   * Writes what errors of your handlers, and of whatever reads messages, say. Easier to understand, and such texts like to
   * quote data. Without it, their names, codes and stacks are written. @default false
   */
  readonly errorMessages?: boolean
  /**
   * So many records of one event, destination, group and code are written within `repeatWindowMs`; the others are counted,
   * and told by one `log.suppressed`. More shows more of a storm, and costs as much. @default 10
   */
  readonly maxRepeats?: number
  /** How long repeats are counted together, in milliseconds. Longer writes less, and tells later how many there were. @default 60_000 */
  readonly repeatWindowMs?: number
}

/** With their defaults. */
export type NormalLogOptions = Required<LogOptions> & RepeatLimits

export const defaultLogOptions: NormalLogOptions = { errorMessages: false, maxRepeats: 10, repeatWindowMs: 60_000 }

const rules: Readonly<Record<keyof LogOptions, OptionRule>> = {
  errorMessages: boolean,
  maxRepeats: wholeNumber(1),
  repeatWindowMs: wholeNumber(1),
}

/** Everything that is wrong with the options. */
export function logProblems(options: unknown): string[] {
  return optionProblems('logs', options, rules)
}

/** The options as one option of something else. */
export const logRule: OptionRule = (options) => {
  const problems = logProblems(options)
  return problems.length === 0 ? undefined : problems.join('; ')
}

/** The options with their defaults; they were checked before. */
export function normalLogOptions(options: LogOptions | undefined): NormalLogOptions {
  return withDefaults(defaultLogOptions, options)
}
