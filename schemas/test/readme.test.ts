import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const folder = fileURLToPath(new URL('..', import.meta.url))

test('the JavaScript of the README runs as it stands and prints what it says', () => {
  const readme = readFileSync(`${folder}README.md`, 'utf8')
  const snippet = /```js\n(.*?)```/s.exec(readme)?.[1] ?? ''
  const promised = [...snippet.matchAll(/\/\/ (.*)$/gm)].map(([, text]) => text)
  execFileSync(process.execPath, ['build.mjs'], { cwd: folder })
  const run = ['--input-type=module', '--eval', snippet]
  const printed = execFileSync(process.execPath, run, { cwd: folder, encoding: 'utf8' })
  expect(promised.length).toBeGreaterThan(0)
  expect(printed.trim().split('\n')).toEqual(promised)
})
