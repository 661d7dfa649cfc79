import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, it } from 'vitest'

const folder = fileURLToPath(new URL('.', import.meta.url))
const tsc = fileURLToPath(new URL('../../../node_modules/typescript/bin/tsc', import.meta.url))
// Beside the tests, so that imports are found as theirs are.
const changed = mkdtempSync(join(folder, '.types-'))
afterAll(() => rmSync(changed, { recursive: true, force: true }))

/** The compiler's errors, `file(line,column): error …`; all that it said when it failed in another way. */
function compile(project: string): Promise<readonly string[]> {
  return new Promise((resolve) => {
    execFile(process.execPath, [tsc, '-p', project, '--pretty', 'false'], { cwd: folder }, (error, stdout, stderr) => {
      const errors = stdout.match(/^.*error TS\d+.*$/gm) ?? []
      resolve(error !== null && errors.length === 0 ? [error.message, stdout, stderr] : errors)
    })
  })
}

it('the tests compile, and what must not compile does not', async () => {
  expect(await compile(folder)).toEqual([])
})

it('each mistake in the type tests is one that the compiler sees', async () => {
  let mistakes = 0
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.test-d.ts'))) {
    const text = readFileSync(join(folder, name), 'utf8')
    mistakes += text.match(/^\s*\/\/ @ts-expect-error/gm)?.length ?? 0
    const shown = text.replaceAll('@ts-expect-error', 'here follows a mistake').replaceAll(`'../src/`, `'../../src/`)
    writeFileSync(join(changed, name), shown)
  }
  const settings = { extends: '../tsconfig.json', compilerOptions: { noUnusedLocals: false }, include: ['*.ts'] }
  writeFileSync(join(changed, 'tsconfig.json'), JSON.stringify(settings))
  const lines = (await compile(changed)).map((error) => /^(?:.*\/)?([^/]+\(\d+),/.exec(error)?.[1] ?? error)
  expect(mistakes).toBeGreaterThan(25)
  expect(new Set(lines).size, [...new Set(lines)].join('\n')).toBe(mistakes)
})
