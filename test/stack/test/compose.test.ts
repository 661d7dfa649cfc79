import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv } from 'ajv'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'

// The compose specification's own schema, as `dclint` ships it: it cannot be downloaded when tests run.
const dclint = dirname(createRequire(import.meta.url).resolve('dclint/package.json'))
const schema = JSON.parse(readFileSync(join(dclint, 'schemas/compose.schema.json'), 'utf8')) as object
const file = fileURLToPath(new URL('../../../docker-compose.yml', import.meta.url))

interface Service {
  readonly image: string
  readonly ports: string[]
  readonly volumes: string[]
  readonly healthcheck: object
}

const read = (): { services: Record<string, Service>; volumes: Record<string, unknown> } =>
  parse(readFileSync(file, 'utf8')) as ReturnType<typeof read>

// It names formats of its own (durations, ports) that have no public definition.
const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false, validateSchema: false })
const validate = ajv.compile(schema)

describe('docker-compose.yml', () => {
  it('is valid by the schema of the compose specification', () => {
    expect(validate(read()), JSON.stringify(validate.errors)).toBe(true)
  })

  it('would not be with a key that the specification does not know', () => {
    const compose = read()
    Object.assign(compose.services['kafka']?.healthcheck ?? {}, { tries: 3 })
    expect(validate(compose)).toBe(false)
  })

  it.each(['rabbitmq', 'kafka', 'postgres'])('runs %s pinned, on loopback only, checked, on a named volume', (name) => {
    const { services, volumes } = read()
    const service = services[name] as Service
    expect(service.image).toMatch(/:\d+\.\d+[\w.-]*$/)
    expect(service.ports.every((port) => port.startsWith('127.0.0.1:'))).toBe(true)
    expect(service.healthcheck).toHaveProperty('test')
    expect(service.volumes.map((volume) => volume.split(':')[0]).every((it) => it !== undefined && it in volumes)).toBe(
      true,
    )
  })
})
