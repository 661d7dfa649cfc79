import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compile, compilePackage, packageFolder, writeProject } from './compile.js'
import { contractModule } from './manyContracts.js'

const contractCount = 200
/** Half a million a second on two quiet cores. Seconds would measure what else keeps the machine busy. */
const maxInstantiations = 3_000_000
let folder = ''
let dist = ''

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'posthorn-contracts-'))
  dist = join(folder, 'dist')
  const { errors } = await compilePackage(dist)
  expect(errors).toEqual([])
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Specifiers of `import`, `export … from`, `import()` and `require()`. */
const specifiersOf = (code: string): string[] =>
  [...code.matchAll(/(?:\bfrom|\bimport|\bimport\(|\brequire\()\s*['"]([^'"]+)['"]/g)].map((found) => found[1] ?? '')

test('the built JavaScript imports nothing but its own files', () => {
  const files = readdirSync(dist).filter((file) => file.endsWith('.js'))
  const specifiers = files.flatMap((file) => specifiersOf(readFileSync(join(dist, file), 'utf8')))
  expect(files).toContain('index.js')
  expect(specifiers.length).toBeGreaterThan(3)
  expect(specifiers.filter((specifier) => !specifier.startsWith('./'))).toEqual([])
})

test('the search for imports finds every way to import', () => {
  const code = `import 'a'\nimport b from "b"\nexport { c } from 'c'\nawait import('d')\nrequire('e')\nimport * as f from 'f'`
  expect(specifiersOf(code)).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
})

test('the built module loads by itself, where no other package is installed', async () => {
  const built = (await import(pathToFileURL(join(dist, 'index.js')).href)) as typeof import('../src/index.js')
  const contract = built.defineEvent({ type: 'a.v1', destination: 'a', schema: {} })
  expect(contract.identity).toMatch(/^a\.v1#[0-9a-f]{16}$/)
})

test('the example of the README compiles, runs as it stands and prints what it says', async () => {
  const readme = readFileSync(join(packageFolder, 'README.md'), 'utf8')
  const example = /```ts\n(.*?)```/s.exec(readme)?.[1] ?? ''
  const promised = [...example.matchAll(/console\.log.* \/\/ (.*)$/gm)].map((found) => found[1])
  const project = join(folder, 'readme')
  cpSync(dist, join(project, 'dist'), { recursive: true })
  writeProject(project, join(project, 'dist', 'index.d.ts'))
  writeFileSync(join(project, 'example.ts'), example)
  expect((await compile(['-p', project])).errors).toEqual([])

  // Without types it is JavaScript already.
  const code = example.replace(`'@posthorn/contracts'`, JSON.stringify(pathToFileURL(join(dist, 'index.js')).href))
  const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', code], { encoding: 'utf8' })
  expect(promised.length).toBeGreaterThan(2)
  expect(printed.trim().split('\n')).toEqual(promised)
})

test('the package depends at run time on nothing but types for inference', () => {
  const manifest = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')) as Record<string, unknown>
  expect(manifest['dependencies']).toEqual({ 'json-schema-to-ts': expect.any(String) })
  expect(manifest).not.toHaveProperty('peerDependencies')
  expect(manifest).not.toHaveProperty('optionalDependencies')
})

/** A figure of the compiler about its own work. */
function figureOf(diagnostics: string, label: string): number {
  return Number(new RegExp(`^${label}:\\s+([\\d.]+)s?$`, 'm').exec(diagnostics)?.[1])
}

test(`${contractCount} contracts take the compiler no more than six seconds’ work`, { timeout: 300_000 }, async () => {
  const project = join(folder, 'many')
  mkdirSync(project)
  // A copy below the project's node_modules, because the declarations import json-schema-to-ts.
  cpSync(dist, join(project, 'dist'), { recursive: true })
  writeProject(project, join(project, 'dist', 'index.d.ts'))
  const numbers = Array.from({ length: contractCount }, (_, index) => index)
  for (const n of numbers) writeFileSync(join(project, `thing${n}.ts`), contractModule(n))

  const { errors, output } = await compile(['-p', project, '--extendedDiagnostics'])
  expect(errors).toEqual([])
  const instantiations = figureOf(output, 'Instantiations')
  const seconds = figureOf(output, 'Check time')
  console.log(`${contractCount} contracts: ${instantiations} instantiations, check time ${seconds} s`)
  expect(instantiations).toBeLessThan(maxInstantiations)

  // The figure means something only if the compiler knows the types: a wrong one must not pass.
  writeFileSync(join(project, 'wrong.ts'), contractModule(0).replace('quantity: 1,', `quantity: 'one',`))
  expect((await compile(['-p', project])).errors).toEqual([expect.stringMatching(/wrong\.ts.*TS2322/)])
})
