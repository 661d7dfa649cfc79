import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compile, packageFolder, writeProject } from './compile.js'

const source = readFileSync(join(packageFolder, 'test', 'contract.test-d.ts'), 'utf8')
let folder = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'posthorn-types-'))
  writeProject(folder, join(packageFolder, 'src', 'index.ts'))
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function compileChanged(text: string): ReturnType<typeof compile> {
  writeFileSync(join(folder, 'changed.ts'), text.replaceAll(`'../src/index.js'`, `'@posthorn/contracts'`))
  return compile(['-p', folder, '--noUnusedLocals', 'false'])
}

/** The lines with errors; one mistake can have several. */
function linesOf(errors: readonly string[]): readonly string[] {
  return [...new Set(errors.map((error) => /\((\d+),/.exec(error)?.[1] ?? error))]
}

test('the type tests compile', { timeout: 60_000 }, async () => {
  expect((await compile(['-p', join(packageFolder, 'test')])).errors).toEqual([])
  expect((await compileChanged(source)).errors).toEqual([])
})

test('each mistake in the type tests is one, seen by the compiler', { timeout: 60_000 }, async () => {
  const mistakes = source.match(/^\s*\/\/ @ts-expect-error/gm)?.length ?? 0
  const { errors } = await compileChanged(source.replaceAll('@ts-expect-error', 'here follows a mistake'))
  expect(mistakes).toBeGreaterThan(10)
  expect(linesOf(errors)).toHaveLength(mistakes)
})

test('a type that is wrong does not compile', { timeout: 60_000 }, async () => {
  const expectations = [...source.matchAll(/(?:toEqualTypeOf|toExtend)<.*>\(\)/g)]
  expect(expectations.length).toBeGreaterThan(10)
  const wrong = source.replaceAll(/(toEqualTypeOf|toExtend)<.*>\(\)/g, '$1<Date>()')
  expect(linesOf((await compileChanged(wrong)).errors)).toHaveLength(expectations.length)
})
