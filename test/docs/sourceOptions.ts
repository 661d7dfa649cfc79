import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './markdown.js'

/** An option as its interface in the source declares it. */
export interface SourceOption {
  readonly name: string
  readonly required: boolean
  /** The text behind `@default` in its comment. */
  readonly defaultText: string | undefined
}

/** Reads the options of a package's interface; `within` names a property whose own object is meant. */
export function optionsOf(packageName: string, interfaceName: string, within?: string): readonly SourceOption[] {
  const declaration = new RegExp(`^export interface ${interfaceName}\\b`, 'm')
  const source = sourcesOf(packageName).find((text) => declaration.test(text))
  if (source === undefined) throw new Error(`${packageName} has no interface ${interfaceName}`)
  const body = bodyAt(source, source.indexOf('{\n', source.search(declaration)))
  if (within === undefined) return propertiesOf(body)
  const property = new RegExp(`readonly ${within}\\??: \\{`).exec(body)
  if (property === null) throw new Error(`${interfaceName} has no object ${within}`)
  return propertiesOf(bodyAt(body, property.index + property[0].length - 1))
}

function sourcesOf(packageName: string): string[] {
  const folder = join(root, 'packages', packageName, 'src')
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
  return files.map((name) => readFileSync(join(folder, name), 'utf8'))
}

/** What stands between the brace at `open` and the one that closes it. */
function bodyAt(source: string, open: number): string {
  let depth = 0
  for (let at = open; at < source.length; at += 1) {
    if (source[at] === '{') depth += 1
    else if (source[at] === '}') depth -= 1
    if (depth === 0) return source.slice(open + 1, at)
  }
  throw new Error('An interface does not end')
}

function propertiesOf(body: string): SourceOption[] {
  const indent = /^\n*( +)\S/.exec(body)?.[1] ?? ''
  const pattern = new RegExp(`^${indent}readonly (\\w+)(\\??):`, 'gm')
  return [...body.matchAll(pattern)].map(([, name = '', optional]) => ({
    name,
    required: optional === '',
    defaultText: defaultOf(commentBefore(body, name, indent)),
  }))
}

/** The comment that ends on the line before the property. */
function commentBefore(body: string, name: string, indent: string): string {
  const at = body.search(new RegExp(`^${indent}readonly ${name}\\??:`, 'm'))
  const before = body.slice(0, at).trimEnd()
  return before.endsWith('*/') ? before.slice(before.lastIndexOf('/**')) : ''
}

function defaultOf(comment: string): string | undefined {
  const text = comment.replaceAll(/^\s*\/?\*+\/?|\*\/$/gm, '').replaceAll(/\s+/g, ' ')
  return /@default (.*)$/.exec(text)?.[1]?.trim()
}
