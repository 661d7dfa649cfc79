import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const folder = fileURLToPath(new URL('..', import.meta.url))
const root = fileURLToPath(new URL('../..', import.meta.url))
const names = [
  'deadLetterSchema',
  'envelopeSchema',
  'orderPaidSchema',
  'orderPlacedSchema',
  'orderRejectedSchema',
  'userRegisteredSchema',
]
let target = ''

const build = (): unknown => execFileSync(process.execPath, [join(folder, 'build.mjs'), target], { stdio: 'pipe' })
const built = (): Promise<Record<string, { $id: string }>> => import(pathToFileURL(join(target, 'index.js')).href)

beforeAll(() => {
  target = mkdtempSync(join(tmpdir(), 'posthorn-schemas-'))
  build()
})

afterAll(() => rmSync(target, { recursive: true, force: true }))

test('the module exports every schema file, unchanged', async () => {
  const exported = await built()
  expect(Object.keys(exported).sort()).toEqual(names)
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.schema.json') && !file.includes('node_modules'))
    .map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as { $id: string })
  const byId = (schemas: { $id: string }[]): [string, unknown][] => schemas.map((schema) => [schema.$id, schema])
  expect(new Map(byId(Object.values(exported)))).toEqual(new Map(byId(files)))
})

test('a second build touches nothing, so that tsc -b has nothing to do', () => {
  const times = (): number[] => readdirSync(target).map((file) => statSync(join(target, file)).mtimeMs)
  const before = times()
  build()
  expect(times()).toEqual(before)
})

test('a build repairs files that were changed by hand', async () => {
  const file = join(target, 'index.js')
  const before = readFileSync(file, 'utf8')
  writeFileSync(file, 'export const envelopeSchema = {}\n')
  build()
  expect(readFileSync(file, 'utf8')).toBe(before)
})

test('the declarations are the literal types of the values', async () => {
  const schemas = Object.entries(await built())
  // Assignable both ways: nothing is missing in the type, and nothing in it is wider than the value.
  const lines = schemas.flatMap(([name, schema]) => [
    `const a_${name}: typeof s.${name} = ${JSON.stringify(schema)}`,
    `const b_${name} = ${JSON.stringify(schema)} as const`,
    `const c_${name}: typeof b_${name} = s.${name}`,
    `void a_${name}, c_${name}`,
  ])
  const consumer = join(target, 'consumer.mts')
  writeFileSync(consumer, `import * as s from './index.js'\n${lines.join('\n')}\n`)
  writeFileSync(join(target, 'package.json'), '{ "type": "module" }')
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const flags = ['--ignoreConfig', '--noEmit', '--strict', '--module', 'nodenext', '--types', '']
  const compile = (): unknown => execFileSync(process.execPath, [tsc, ...flags, consumer], { encoding: 'utf8' })
  expect(compile).not.toThrow()
  writeFileSync(
    consumer,
    `import { envelopeSchema } from './index.js'\nexport const id: 'other' = envelopeSchema.$id\n`,
  )
  expect(compile).toThrow()
})
