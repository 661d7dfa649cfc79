import { chmodSync, cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { PrismaTransaction } from '@posthorn/postgres/prisma'
import { runOk } from '../stack/src/run.js'
import { installPackages } from './installPackages.js'

/** The version that the tests run with, and the docs name. */
export const prismaVersion = '7.10.0'

/** The part of the generated client that the test uses. */
export interface PrismaOrders extends PrismaTransaction {
  readonly order: { create(args: { data: { id: string } }): Promise<unknown>; findMany(): Promise<{ id: string }[]> }
}

/** The generated client itself. */
export interface PrismaClient extends PrismaOrders {
  $transaction<Result>(work: (tx: PrismaOrders) => Promise<Result>): Promise<Result>
  $disconnect(): Promise<void>
}

interface GeneratedModule {
  readonly PrismaClient: new (options: { adapter: unknown }) => PrismaClient
}
interface AdapterModule {
  readonly PrismaPg: new (config: { connectionString: string }, options: { schema: string }) => unknown
}

/** A client of the real Prisma for a schema of one table, generated once in our cache. */
export async function createPrismaClient(connectionString: string, schema: string): Promise<PrismaClient> {
  const folder = await installPrisma()
  const load = async (...path: string[]): Promise<unknown> => import(pathToFileURL(join(folder, ...path)).href)
  const { PrismaPg } = (await load('node_modules', '@prisma', 'adapter-pg', 'dist', 'index.mjs')) as AdapterModule
  const generated = (await load('generated', 'client.ts')) as GeneratedModule
  return new generated.PrismaClient({ adapter: new PrismaPg({ connectionString }, { schema }) })
}

function installPrisma(): Promise<string> {
  const packages = ['prisma', '@prisma/client', '@prisma/adapter-pg'].map((name) => `${name}@${prismaVersion}`)
  return installPackages({ name: `prisma-${prismaVersion}`, packages, finish: generate })
}

/**
 * The client computes its queries in WebAssembly (`engineType = "client"`), so no engine is needed; the command would fetch the one of
 * its migrations from elsewhere all the same, unless it is told where that is. Generating does not call it.
 */
async function generate(folder: string, holdFd: number): Promise<void> {
  cpSync(fileURLToPath(new URL('prisma/schema.prisma', import.meta.url)), join(folder, 'schema.prisma'))
  const engine = join(folder, 'no-engine')
  writeFileSync(engine, '#!/bin/sh\nexit 1\n')
  chmodSync(engine, 0o755)
  const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: engine, CHECKPOINT_DISABLE: '1' }
  const args = ['node_modules/prisma/build/index.js', 'generate', '--schema', 'schema.prisma']
  await runOk(process.execPath, args, { cwd: folder, env, holdFd, timeoutMs: 120_000 })
}
