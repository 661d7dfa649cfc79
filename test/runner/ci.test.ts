import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'

const script = fileURLToPath(new URL('../../.ci/run', import.meta.url))
const folders: string[] = []

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

/** Runs the script of CI with suites that say and end as told; the real ones would run this test again. */
function runCi(suites: { readonly ci?: string; readonly test: string; readonly interop: string }): {
  readonly code: number | null
  readonly lines: readonly string[]
} {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-ci-'))
  folders.push(folder)
  const npm = join(folder, 'npm')
  const cases = [`ci) ${suites.ci ?? 'true'};;`, `test) ${suites.test};;`, `'run test:interop') ${suites.interop};;`]
  writeFileSync(npm, `#!/bin/sh\ncase "$*" in ${cases.join(' ')} *) echo "npm $*"; exit 9;; esac\n`)
  chmodSync(npm, 0o755)
  const env = { ...process.env, PATH: `${folder}${delimiter}${process.env['PATH']}` }
  const { status, stdout } = spawnSync(script, { env, encoding: 'utf8' })
  return { code: status, lines: stdout.trimEnd().split('\n') }
}

test('the last line of CI counts both suites', () => {
  const { code, lines } = runCi({ test: 'echo "900 passed, 0 failed"', interop: 'echo "34 passed, 0 failed"' })
  expect({ code, last: lines.at(-1) }).toEqual({ code: 0, last: '934 passed, 0 failed' })
})

test.each([
  ['failed tests', { test: 'echo "3 passed, 2 failed"; exit 1' }, '7 passed, 2 failed'],
  ['a suite that dies before it counts', { test: 'echo "Tests 3 passed"; exit 1' }, '4 passed, 1 failed'],
  ['a suite that is silent', { test: 'true' }, '4 passed, 1 failed'],
  ['a suite that ends badly after it counted', { test: 'echo "3 passed, 0 failed"; exit 1' }, '7 passed, 1 failed'],
])('%s make CI fail, and the other suite is run all the same', (_, { test: said }, last) => {
  const { code, lines } = runCi({ test: said, interop: 'echo "4 passed, 0 failed"' })
  expect({ code, last: lines.at(-1) }).toEqual({ code: 1, last })
})

test('failures with clients of others make CI fail', () => {
  const { code, lines } = runCi({
    test: 'echo "9 passed, 0 failed"',
    interop: 'echo "1 passed, 1 failed"; exit 1',
  })
  expect({ code, last: lines.at(-1) }).toEqual({ code: 1, last: '10 passed, 1 failed' })
})

test('the failures of all suites stand together before the last line', () => {
  const { lines } = runCi({
    test: 'echo "failed: a.test.ts > one"; echo "9 passed, 1 failed"; exit 1',
    interop: 'echo "failed: b.test.ts > two"; echo "1 passed, 1 failed"; exit 1',
  })
  expect(lines.slice(-3)).toEqual(['failed: a.test.ts > one', 'failed: b.test.ts > two', '10 passed, 2 failed'])
})

test('what cannot be installed is not tested', () => {
  const { code, lines } = runCi({ ci: 'exit 1', test: 'echo tested', interop: 'echo tested' })
  expect(code).toBe(1)
  expect(lines).not.toContain('tested')
})
