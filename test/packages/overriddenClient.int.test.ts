import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterEach, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
let folder = ''
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** The built adapter, beside the amqplib that it has now but for its version. */
function adapterBeside(version: string): string {
  folder = mkdtempSync(join(tmpdir(), 'posthorn-override-'))
  const modules = join(folder, 'node_modules')
  const adapter = join(modules, '@posthorn', 'rabbitmq')
  mkdirSync(adapter, { recursive: true })
  cpSync(join(root, 'packages/rabbitmq/dist'), join(adapter, 'dist'), { recursive: true })
  cpSync(join(root, 'packages/rabbitmq/package.json'), join(adapter, 'package.json'))
  symlinkSync(join(root, 'packages/core'), join(modules, '@posthorn', 'core'), 'dir')
  const client = join(modules, 'amqplib')
  cpSync(dirname(createRequire(import.meta.url).resolve('amqplib')), client, { recursive: true })
  const manifest = JSON.parse(readFileSync(join(client, 'package.json'), 'utf8')) as object
  writeFileSync(join(client, 'package.json'), JSON.stringify({ ...manifest, version }))
  return pathToFileURL(join(adapter, 'dist', 'index.js')).href
}

async function problemsWith(version: string): Promise<unknown> {
  const { createRabbitMq } = (await import(adapterBeside(version))) as {
    createRabbitMq: (options: object) => unknown
  }
  try {
    createRabbitMq({ urls: ['amqp://localhost'] })
    return []
  } catch (error) {
    return (error as { details: { problems: unknown } }).details.problems
  }
}

it('createRabbitMq refuses an amqplib of another major release, which an override brought', async () => {
  expect(await problemsWith('1.0.6')).toEqual([expect.stringContaining('1.0.6 is installed')])
})

it('createRabbitMq takes a later release of the same', async () => {
  expect(await problemsWith('2.9.0')).toEqual([])
})
