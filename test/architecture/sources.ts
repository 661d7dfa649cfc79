import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The root of the repository. */
export const root: string = fileURLToPath(new URL('../..', import.meta.url))

/** The published packages in the order of the dependency picture: each may use those before it only. */
export const layers = [
  'schemas',
  'contracts',
  'core',
  'memory',
  'rabbitmq',
  'kafka',
  'opentelemetry',
  'monitoring',
  'outbox',
  'postgres',
  'testing',
] as const

/** A source file and what it imports. */
export interface Source {
  /** From the root, with slashes. */
  readonly path: string
  readonly layer: string
  readonly text: string
  readonly imports: readonly string[]
}

/** Import, re-export and dynamic import specifiers of TypeScript text. */
export function importsOf(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
  const found = code.matchAll(/(?:from\s+|import\s+|import\(\s*)'([^']+)'/g)
  return [...found].map((match) => match[1]!)
}

/** All TypeScript sources of the published packages. */
export function packageSources(): Source[] {
  return layers
    .filter((layer) => layer !== 'schemas')
    .flatMap((layer) =>
      walk(join(root, 'packages', layer, 'src')).map((file) => {
        const text = readFileSync(file, 'utf8')
        return { path: relative(root, file), layer, text, imports: importsOf(text) }
      }),
    )
}

/** The file that a relative import means. */
export function resolveImport(from: string, specifier: string): string {
  return relative(root, resolve(join(root, dirname(from)), specifier.replace(/\.js$/, '.ts')))
}

function walk(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return walk(path)
    return entry.name.endsWith('.ts') ? [path] : []
  })
}
