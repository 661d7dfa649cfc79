import { randomUUID } from 'node:crypto'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PGlite } from '@electric-sql/pglite'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { acquirePostgres } from '../stack/src/index.js'
import type { Postgres } from '../stack/src/index.js'
import { blocksOf, readPage, root } from './markdown.js'
import type { CodeBlock } from './markdown.js'

/* The programs of the page about the outbox as they stand, one after the other, on a database of their own. */
const blocks = blocksOf(readPage('docs/how-to/set-up-the-outbox.md')).filter(({ language }) => language === 'ts')
const database = `docs_${randomUUID().slice(0, 8)}`
let server: Postgres
let admin: pg.Pool
let pool: pg.Pool
let folder = ''
const ends: (() => Promise<unknown>)[] = []
let printed: unknown[] = []

beforeAll(async () => {
  mkdirSync(join(root, '.posthorn'), { recursive: true })
  folder = mkdtempSync(join(root, '.posthorn', 'outbox-pages-'))
  copyFileSync(new URL('support/contracts.ts', import.meta.url), join(folder, 'contracts.ts'))
  server = await acquirePostgres()
  admin = new pg.Pool({ connectionString: server.url })
  await admin.query(`create database ${database}`)
  const url = new URL(server.url)
  url.pathname = `/${database}`
  vi.stubEnv('DATABASE_URL', url.href)
  vi.spyOn(console, 'log').mockImplementation((line) => void printed.push(line))
  pool = new pg.Pool({ connectionString: url.href })
  await pool.query('create table orders (id text primary key)')
})
afterEach(async () => {
  await Promise.all(ends.splice(0).map((end) => end()))
  printed = []
})
afterAll(async () => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  await pool.end()
  await admin.query(`drop database ${database}`)
  await admin.end()
  await server.release()
  rmSync(folder, { recursive: true, force: true })
})

interface Program {
  readonly pool?: pg.Pool
  readonly pglite?: PGlite
}

/** Runs a block; what it opens is given out too, to look into it and to end it. */
async function run({ code, line }: CodeBlock): Promise<Program> {
  const opened = ['pool', 'pglite'].filter((name) => code.includes(`const ${name} = `))
  const file = join(folder, `line-${line}.ts`)
  const here = code.replaceAll("'./data'", JSON.stringify(join(folder, 'data')))
  writeFileSync(file, `${here}\nexport { ${opened.join(', ')} }\n`)
  const program = (await import(/* @vite-ignore */ file)) as Program
  if (program.pool !== undefined) ends.push(() => program.pool!.end())
  if (program.pglite !== undefined) ends.push(() => program.pglite!.close())
  return program
}

const blockWith = (text: string): CodeBlock => {
  const found = blocks.filter(({ code }) => code.includes(text))
  if (found.length !== 1) throw new Error(`${found.length} blocks have ${text}`)
  return found[0]!
}

const destinations = 'select destination, key from posthorn.outbox order by id'

test('migrates, and prints the same for another tool', async () => {
  await run(blockWith('migrationSql'))
  expect(await pool.query(destinations).then(({ rows }) => rows)).toEqual([])
  expect(printed).toEqual([expect.stringContaining('create table')])
})

const publishing = blocks.filter(({ code }) => code.includes('outbox.publish('))

test('publishes with each of the libraries', () => {
  const libraries = ["'pg'", 'PGlite', 'drizzleExecutor', 'kyselyExecutor']
  expect(libraries.filter((library) => !publishing.some(({ code }) => code.includes(library)))).toEqual([])
})

test.each(publishing)('line $line stores what it publishes', async (block) => {
  await pool.query('truncate posthorn.outbox')
  const { pglite } = await run(block)
  const stored = await (pglite === undefined ? pool.query(destinations) : pglite.query(destinations))
  expect(stored.rows).toEqual([{ destination: 'orders', key: 'o-1' }])
})

test('prints the rights, which the database takes', async () => {
  await run(blockWith('grantSql'))
  const names = ['checkout', 'posthorn_relay', 'billing']
  const client = await pool.connect()
  try {
    await client.query('begin')
    for (const name of names) await client.query(`create role ${name}`)
    await client.query(String(printed[0]))
  } finally {
    // Roles are everybody's on a server.
    await client.query('rollback')
    client.release()
  }
})

test('every program of the page is run', () => {
  expect(blocks).toHaveLength(publishing.length + 2)
})
