import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { describe, expect, test } from 'vitest'

interface InvalidExample {
  readonly reason: string
  /** JSON pointer to the place of the fault. */
  readonly pointer: string
  readonly instance: unknown
}

const folder = fileURLToPath(new URL('..', import.meta.url))

/** All schema files below the package, found rather than listed, so that a new one without examples is noticed. */
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.schema.json') && !file.includes('node_modules'))
  .sort()

const read = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'))

const schemaOf = (file: string): { $id: string; $schema: string } =>
  read(join(folder, file)) as { $id: string; $schema: string }

/** Valid and invalid examples of `shop/order-paid.schema.json` are in `shop/examples/order-paid/valid` and `invalid`. */
function examples(file: string, kind: 'valid' | 'invalid'): string[] {
  const path = join(folder, dirname(file), 'examples', basename(file, '.schema.json'), kind)
  return existsSync(path) ? readdirSync(path).map((name) => relative(folder, join(path, name))) : []
}

function compile(file: string): ValidateFunction {
  const ajv = new Ajv2020({ strict: true })
  // The type of this CommonJS module names the namespace, the value at run time is the function.
  const add = addFormats as unknown as (target: Ajv2020) => void
  add(ajv)
  return ajv.compile(schemaOf(file))
}

test('every schema has an absolute $id of its own and names the dialect 2020-12', () => {
  const schemas = files.map(schemaOf)
  expect(files.length).toBeGreaterThanOrEqual(6)
  expect(new Set(schemas.map(({ $id }) => $id)).size).toBe(schemas.length)
  files.forEach((file, index) => {
    const path = file.replace('.schema.json', '.v1.json').replaceAll('\\', '/')
    expect(schemas[index]?.$id).toBe(`https://posthorn.dev/schemas/${path}`)
    expect(schemas[index]?.$schema).toBe('https://json-schema.org/draft/2020-12/schema')
  })
})

describe.each(files)('%s', (file) => {
  const validate = compile(file)
  const valid = examples(file, 'valid')
  const invalid = examples(file, 'invalid')

  test('has valid and invalid examples', () => {
    expect(valid.length).toBeGreaterThan(2)
    expect(invalid.length).toBeGreaterThan(2)
  })

  test.each(valid)('accepts %s', (example) => {
    validate(read(join(folder, example)))
    expect(validate.errors ?? []).toEqual([])
  })

  test.each(invalid)('refuses %s', (example) => {
    const { reason, pointer, instance } = read(join(folder, example)) as InvalidExample
    expect(reason).not.toBe('')
    expect(validate(instance)).toBe(false)
    // A condition reports itself beside the fault in its branch, both at the same place.
    expect(new Set(validate.errors?.map(({ instancePath }) => instancePath))).toEqual(new Set([pointer]))
  })
})
