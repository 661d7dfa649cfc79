import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, expect, it } from 'vitest'
import { amqplibProblem, installedAmqplib } from '../src/amqplibVersion.js'

let folder = ''
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** A place from which `amqplib` is another package than ours. */
function importerBeside(name: string, version: string): URL {
  folder = mkdtempSync(join(tmpdir(), 'posthorn-amqplib-'))
  const packageFolder = join(folder, 'node_modules', 'amqplib')
  mkdirSync(packageFolder, { recursive: true })
  writeFileSync(join(packageFolder, 'index.js'), '')
  writeFileSync(join(packageFolder, 'package.json'), JSON.stringify({ name, version, exports: { '.': './index.js' } }))
  return pathToFileURL(join(folder, 'ours.js'))
}

it('the amqplib that we get is found and fits', () => {
  expect(installedAmqplib()).toMatch(/^2\./)
  expect(amqplibProblem(installedAmqplib())).toBeUndefined()
})

it('the amqplib that an override brings beside us is found', () => {
  expect(installedAmqplib(importerBeside('amqplib', '0.10.9'))).toBe('0.10.9')
})

it('a package that only has its name, or none, is not judged', () => {
  expect(installedAmqplib(importerBeside('something-else', '0.10.9'))).toBeUndefined()
  rmSync(folder, { recursive: true })
  expect(installedAmqplib(pathToFileURL(join(tmpdir(), 'nowhere', 'ours.js')))).toBeUndefined()
  expect(amqplibProblem(undefined)).toBeUndefined()
})

it.each(['0.10.9', '1.0.6', '2.2.9', '2.3.0', '3.0.0', '2.3.0-rc.1', 'nonsense'])(
  'release %s is refused',
  (version) => {
    expect(amqplibProblem(version)).toContain(version)
  },
)

it.each(['2.3.1', '2.3.10', '2.10.0', '2.4.0-rc.1'])('release %s is taken', (version) => {
  expect(amqplibProblem(version)).toBeUndefined()
})
