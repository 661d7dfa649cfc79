import { existsSync, readFileSync } from 'node:fs'
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
  readonly volumes?: string[]
  readonly profiles?: string[]
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

  it.each(['rabbitmq', 'kafka', 'postgres', 'prometheus', 'grafana', 'jaeger'])(
    'runs %s pinned, on loopback only, and checked',
    (name) => {
      const service = read().services[name] as Service
      expect(service.image).toMatch(/:v?\d+\.\d+[\w.-]*$/)
      expect(service.ports.every((port) => port.startsWith('127.0.0.1:'))).toBe(true)
      expect(service.healthcheck).toHaveProperty('test')
    },
  )

  it.each(['rabbitmq', 'kafka', 'postgres', 'prometheus', 'grafana'])(
    'keeps what %s stores on a named volume',
    (name) => {
      const { services, volumes } = read()
      const sources = services[name]?.volumes?.map((volume) => volume.split(':')[0] as string) ?? []
      expect(sources[0]).toBeOneOf(Object.keys(volumes))
      // The others are folders of the checkout, which nobody in the container may change.
      const folders = sources.slice(1)
      expect(folders.filter((folder) => !existsSync(join(dirname(file), folder)))).toEqual([])
      expect(services[name]?.volumes?.slice(1).every((volume) => volume.endsWith(':ro'))).toBe(true)
    },
  )

  it('starts what only watches when its profile is asked for', () => {
    const profiles = Object.entries(read().services).map(([name, service]) => [name, service.profiles ?? []])
    expect(Object.fromEntries(profiles)).toEqual({
      rabbitmq: [],
      kafka: [],
      postgres: [],
      prometheus: ['observability'],
      grafana: ['observability'],
      jaeger: ['observability'],
    })
  })
})
