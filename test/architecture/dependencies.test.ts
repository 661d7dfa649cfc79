import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { importsOf, layers, packageSources, resolveImport, root } from './sources.js'

const sources = packageSources()
const adapters = ['memory', 'rabbitmq', 'kafka']

/** What each layer may import beside itself, `node:` modules and the layers before it. */
const allowedThirdParty: Readonly<Record<string, readonly string[]>> = {
  contracts: ['json-schema-to-ts'],
  core: ['ajv', 'ajv-formats', 'pino', 'safe-regex2'],
  memory: [],
  rabbitmq: ['amqplib'],
  kafka: ['kafkajs', '@platformatic/kafka'],
  opentelemetry: ['@opentelemetry/api'],
  monitoring: ['@opentelemetry/api', '@opentelemetry/exporter-prometheus', '@opentelemetry/sdk-metrics'],
  outbox: [],
  postgres: ['pg', '@electric-sql/pglite', 'drizzle-orm', 'kysely'],
  testing: [],
}

function packageOf(specifier: string): string {
  const parts = specifier.split('/')
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0]!
}

describe('the dependency picture', () => {
  test('every package imports only packages of the layers before its own', () => {
    const wrong = sources.flatMap(({ path, layer, imports }) =>
      imports
        .filter((specifier) => specifier.startsWith('@posthorn/'))
        .map((specifier) => packageOf(specifier).slice('@posthorn/'.length))
        .filter((target) => layers.indexOf(target as never) >= layers.indexOf(layer as never))
        .map((target) => `${path} imports @posthorn/${target}`),
    )
    expect(wrong).toEqual([])
  })

  test('adapters never import each other', () => {
    const wrong = sources.flatMap(({ path, layer, imports }) =>
      adapters.includes(layer)
        ? imports
            .filter((specifier) => adapters.some((other) => other !== layer && specifier === `@posthorn/${other}`))
            .map((specifier) => `${path} imports ${specifier}`)
        : [],
    )
    expect(wrong).toEqual([])
  })

  test('OpenTelemetry is a choice of the service: its package knows the core only, and no package knows it', () => {
    const own = sources.filter(({ layer }) => layer === 'opentelemetry').flatMap(({ imports }) => imports)
    const packages = new Set(own.filter((specifier) => specifier.startsWith('@posthorn/')).map(packageOf))
    expect([...packages]).toEqual(['@posthorn/core'])
    const users = sources.filter(({ imports }) => imports.includes('@posthorn/opentelemetry'))
    expect(users.map(({ path }) => path)).toEqual([])
  })

  test('adapters use the door of the core that is made for them', () => {
    const wrong = sources
      .filter(({ layer, imports }) => adapters.includes(layer) && imports.includes('@posthorn/core'))
      .map(({ path }) => path)
    expect(wrong).toEqual([])
  })

  test('every third-party import is one that its layer may have, and stands in its package.json', () => {
    const wrong = sources.flatMap(({ path, layer, imports }) => {
      const manifest = JSON.parse(readFileSync(join(root, 'packages', layer, 'package.json'), 'utf8')) as {
        dependencies?: Record<string, string>
        peerDependencies?: Record<string, string>
      }
      const declared = { ...manifest.dependencies, ...manifest.peerDependencies }
      return imports
        .filter((specifier) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
        .map(packageOf)
        .filter((name) => declared[name] === undefined || !isAllowed(layer, name))
        .map((name) => `${path} imports ${name}`)
    })
    expect(wrong).toEqual([])
  })

  test('a Kafka client is imported by the folder of its driver only', () => {
    const folders = { kafkajs: 'kafkajs', '@platformatic/kafka': 'platformatic' }
    const wrong = sources.flatMap(({ path, imports }) =>
      Object.entries(folders)
        .filter(([client, folder]) => {
          const isInside = path.startsWith(`packages/kafka/src/driver/${folder}/`)
          return !isInside && imports.some((specifier) => packageOf(specifier) === client)
        })
        .map(([client]) => `${path} imports ${client}`),
    )
    expect(wrong).toEqual([])
    const isDriver = /^packages\/kafka\/src\/driver\/[^/]+\//
    const outside = sources.filter(
      ({ path, imports }) =>
        !isDriver.test(path) &&
        imports.some((specifier) => specifier.startsWith('.') && isDriver.test(resolveImport(path, specifier))),
    )
    // The one place where the client is chosen.
    expect(outside.map(({ path }) => path)).toEqual(['packages/kafka/src/driver/chooseDriver.ts'])
  })

  test('contracts and core touch no network, files, broker client, database or OpenTelemetry', () => {
    const forbidden = /^(node:(net|tls|fs|http|https|http2|dns|dgram)|amqplib|kafkajs|pg|@electric-sql|@opentelemetry)/
    const wrong = sources
      .filter(({ layer }) => layer === 'contracts' || layer === 'core')
      .flatMap(({ path, imports }) => imports.filter((name) => forbidden.test(name)).map((name) => `${path}: ${name}`))
    expect(wrong).toEqual([])
  })

  test('third-party types stay out of the public types of core and contracts', () => {
    const wrong = ['core/dist/index', 'core/dist/adapter', 'contracts/dist/index'].flatMap((door) =>
      reachableDeclarations(join(root, 'packages', `${door}.d.ts`)).flatMap((file) =>
        importsOf(readFileSync(file, 'utf8'))
          .filter((name) => !/^(\.|node:|@posthorn\/)/.test(name))
          // The one exception: the inference of data from a literal schema.
          .filter((name) => name !== 'json-schema-to-ts')
          .map((name) => `${relative(root, file)} imports ${name}`),
      ),
    )
    expect(wrong).toEqual([])
  })

  test('no import leads back to where it came from', () => {
    expect(findCycle()).toBeUndefined()
  })

  test('the reader of imports sees every form', () => {
    const text =
      "import a from 'a'\nexport { b } from 'b'\nimport 'c'\nawait import('d')\n// import 'e'\nimport type { F } from 'f'"
    expect(importsOf(text)).toEqual(['a', 'b', 'c', 'd', 'f'])
  })
})

/** The declaration files that a user's compiler reads when it reads this one. */
function reachableDeclarations(file: string, seen: Set<string> = new Set()): string[] {
  if (seen.has(file)) return []
  seen.add(file)
  for (const name of importsOf(readFileSync(file, 'utf8'))) {
    if (name.startsWith('.')) reachableDeclarations(join(dirname(file), name.replace(/\.js$/, '.d.ts')), seen)
  }
  return [...seen]
}

function isAllowed(layer: string, name: string): boolean {
  return name.startsWith('@posthorn/') || (allowedThirdParty[layer] ?? []).includes(name)
}

/** Type imports count too: a cycle of types is a border that nobody drew. */
function findCycle(): string | undefined {
  const graph = new Map(
    sources.map(({ path, imports }) => [
      path,
      imports.filter((specifier) => specifier.startsWith('.')).map((specifier) => resolveImport(path, specifier)),
    ]),
  )
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): string | undefined => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path].join(' → ')
    if (done.has(path)) return undefined
    for (const next of graph.get(path) ?? []) {
      const cycle = visit(next, [...trail, path])
      if (cycle !== undefined) return cycle
    }
    done.add(path)
    return undefined
  }
  for (const path of graph.keys()) {
    const cycle = visit(path, [])
    if (cycle !== undefined) return cycle
  }
  return undefined
}
