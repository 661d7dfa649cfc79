import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './markdown.js'

/** One call of a logger in the sources of a package. */
export interface LogCall {
  /** File and line, for people. */
  readonly at: string
  readonly package: string
  readonly level: string
  readonly event: string | undefined
  /** The names that stand in the literal of its facts. */
  readonly fields: readonly string[]
  /** Facts of others are spread into it. */
  readonly hasSpread: boolean
}

/** Every call of `logger.debug`, `info`, `warn` and `error` in the sources of all packages. */
export function logCalls(): LogCall[] {
  return readdirSync(join(root, 'packages')).flatMap((name) => {
    const folder = join(root, 'packages', name, 'src')
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
    return files.flatMap((file) => callsIn(readFileSync(join(folder, file), 'utf8'), { name, file }))
  })
}

function callsIn(text: string, { name, file }: { readonly name: string; readonly file: string }): LogCall[] {
  return [...text.matchAll(/\b(?:logger|log)\??\.(debug|info|warn|error)\(/g)].map((match) => {
    const literal = factsOf(text, match.index + match[0].length)
    const entries = entriesOf(literal)
    return {
      at: `packages/${name}/src/${file}:${text.slice(0, match.index).split('\n').length}`,
      package: name,
      level: match[1]!,
      event: /\bevent: '([^']+)'/.exec(literal)?.[1],
      fields: entries.flatMap((entry) => /^(\w+)\s*(?::|$)/.exec(entry)?.[1] ?? []).filter((key) => key !== 'event'),
      hasSpread: entries.some((entry) => entry.startsWith('...')),
    }
  })
}

/** The literal that is the first argument, or that the constant of its name was made from. */
function factsOf(text: string, start: number): string {
  const argument = /^\s*(\{|\w+)/.exec(text.slice(start))
  if (argument === null) return ''
  if (argument[1] === '{') return balanced(text, start + argument[0].length - 1)
  const declared = `const ${argument[1]!} = {`
  const at = text.lastIndexOf(declared, start)
  return at < 0 ? '' : balanced(text, at + declared.length - 1)
}

/** From an opening brace to the one that closes it. */
function balanced(text: string, start: number): string {
  let depth = 0
  for (let index = start; index < text.length; index += 1) {
    if ('{[('.includes(text[index]!)) depth += 1
    else if ('}])'.includes(text[index]!)) depth -= 1
    if (depth === 0) return text.slice(start, index + 1)
  }
  return ''
}

/** What stands between the commas of a literal, on its first level. */
function entriesOf(literal: string): string[] {
  const entries: string[] = []
  let depth = 0
  let entry = ''
  for (const char of literal.slice(1, -1)) {
    if ('{[('.includes(char)) depth += 1
    else if ('}])'.includes(char)) depth -= 1
    if (char === ',' && depth === 0) {
      entries.push(entry.trim())
      entry = ''
    } else entry += char
  }
  return [...entries, entry.trim()].filter((one) => one !== '')
}
