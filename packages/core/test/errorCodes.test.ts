import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { errorCodes } from '../src/errorCodes.js'

const packages = fileURLToPath(new URL('../..', import.meta.url))
const table = join('core', 'src', 'errorCodes.ts')

const sources = readdirSync(packages, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .flatMap(({ name }) => filesBelow(join(name, 'src')))
  .filter((path) => path.endsWith('.ts') && path !== table)
  .map((path) => ({ path, text: readFileSync(join(packages, path), 'utf8') }))

function filesBelow(folder: string): string[] {
  try {
    return readdirSync(join(packages, folder), { recursive: true, encoding: 'utf8' }).map((path) => join(folder, path))
  } catch {
    return [] // A folder without sources.
  }
}

const usesOf = (text: string): string[] => [...text.matchAll(/(['"`])(POSTHORN_[A-Z_]+)\1/g)].map((match) => match[2]!)

describe('error codes', () => {
  it('are searched for in all packages', () => {
    const found = new Set(sources.map(({ path }) => path.split(/[\\/]/)[0]))
    expect([...found]).toEqual(expect.arrayContaining(['contracts', 'core', 'kafka', 'memory', 'rabbitmq']))
  })

  it('are all in the table', () => {
    const wrong = sources.flatMap(({ path, text }) =>
      // Names of environment variables begin the same; they are read from `process.env` or an `env` alone.
      usesOf(text)
        .filter((code) => !Object.hasOwn(errorCodes, code) && !text.includes(`env['${code}']`))
        .map((code) => `${path}: ${code}`),
    )
    expect(wrong).toEqual([])
  })

  it('are made in the class that the table names', () => {
    const made = sources.flatMap(({ path, text }) =>
      [...text.matchAll(/new (\w+Error)\(\{\s*(?:\.\.\.\w+,\s*)?code: '(POSTHORN_[A-Z_]+)'/g)].map((match) => ({
        path,
        by: match[1]!,
        code: match[2] as keyof typeof errorCodes,
      })),
    )
    expect(made.length).toBeGreaterThan(30)
    expect(made.filter(({ by, code }) => errorCodes[code]?.class !== by)).toEqual([])
  })

  it('are each used somewhere', () => {
    const used = new Set(sources.flatMap(({ text }) => usesOf(text)))
    expect(Object.keys(errorCodes).filter((code) => !used.has(code))).toEqual([])
  })
})
