import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { layers, root } from '../architecture/sources.js'

/** The Node.js that the packed packages run on; the matrix sets it. */
const node = process.env['POSTHORN_NODE'] ?? process.execPath
const folders = layers.map((layer) => (layer === 'schemas' ? layer : `packages/${layer}`))

let folder: string
/** Where everything is installed, and where the core is alone. */
let all: string
let coreAlone: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'posthorn-packed-'))
  const tarballs = new Map(folders.map((path) => [path, pack(path)]))
  all = install('all', [...tarballs.values()])
  const upToCore = ['schemas', 'packages/contracts', 'packages/core']
  coreAlone = install(
    'core',
    upToCore.map((path) => tarballs.get(path)!),
  )
}, 300_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function pack(path: string): string {
  const output = execFileSync('npm', ['pack', '--json', '--pack-destination', folder], {
    cwd: join(root, path),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [packed] = JSON.parse(output) as { filename: string }[]
  return join(folder, packed!.filename)
}

function install(name: string, tarballs: readonly string[]): string {
  const place = join(folder, name)
  mkdirSync(place)
  writeFileSync(join(place, 'package.json'), JSON.stringify({ name: `packed-${name}`, private: true }))
  execFileSync('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', ...tarballs], {
    cwd: place,
    stdio: 'ignore',
  })
  return place
}

function run(place: string, code: string): string {
  return execFileSync(node, ['--throw-deprecation', '-e', code], { cwd: place, encoding: 'utf8' }).trim()
}

describe(`the packed packages on ${execFileSync(node, ['--version'], { encoding: 'utf8' }).trim()}`, () => {
  test.each(layers)('require("@posthorn/%s") works', (layer) => {
    expect(run(all, `console.log(Object.keys(require('@posthorn/${layer}')).length > 0)`)).toBe('true')
  })

  test('the door for adapters works', () => {
    expect(run(coreAlone, `console.log(typeof require('@posthorn/core/adapter').createDeadlines)`)).toBe('function')
  })

  test('the core alone brings no broker client and no database', () => {
    const lock = readFileSync(join(coreAlone, 'package-lock.json'), 'utf8')
    expect(lock).not.toMatch(/node_modules\/(amqplib|kafkajs|pg|@opentelemetry)/)
  })

  test('a message is published and handled', () => {
    const code = `
      const { createService, defineEvent, on, silentLogger } = require('@posthorn/core')
      const { createMemory } = require('@posthorn/memory')
      const hello = defineEvent({ type: 'com.example.hello.v1', destination: 'hello', schema: { type: 'object' } })
      const service = createService({ source: '/packed', transport: createMemory(), logger: silentLogger })
      service.consume('readers', { handlers: [on(hello, ({ data }) => { console.log('handled', data.to); service.stop() })] })
      service.start().then(() => service.publish(hello, { to: 'you' }))`
    expect(run(all, code)).toBe('handled you')
  })

  test('a driver that is not installed says what to install', () => {
    const code = `
      const { silentLogger, systemClock } = require('@posthorn/core/adapter')
      const transport = require('@posthorn/kafka').createKafka({ brokers: ['127.0.0.1:9'], driver: 'platformatic' })
      const deadline = systemClock.monotonic() + 5_000
      transport.connect({ logger: silentLogger, clock: systemClock }, [], { deadline })
        .catch((error) => console.log(error.code, /npm install @platformatic\\/kafka/.test(error.message)))`
    expect(run(all, code)).toBe('POSTHORN_CONFIGURATION true')
  })

  test('nothing runs at install', () => {
    for (const layer of layers) {
      const manifest = readFileSync(join(all, 'node_modules', '@posthorn', layer, 'package.json'), 'utf8')
      expect(manifest, layer).not.toMatch(/"(pre|post)?install"/)
    }
  })

  test('the schemas are there as files for other languages', () => {
    const path = join(all, 'node_modules/@posthorn/schemas/envelope.schema.json')
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ title: 'Envelope' })
  })
})

test('publint and Are The Types Wrong find nothing to complain about', () => {
  execFileSync('npm', ['run', '--silent', 'check:packages'], { cwd: root, stdio: 'pipe' })
}, 300_000)
