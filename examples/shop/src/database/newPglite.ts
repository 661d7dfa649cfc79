import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { PGlite } from '@electric-sql/pglite'

/**
 * An empty PGlite. Making the files of a new database takes most of its start (4.7 of 5.7 s of CPU, measured), and they are always the
 * same: the first start keeps them in `node_modules/.cache`, beside the release of PGlite that made them.
 */
export async function newPglite(): Promise<PGlite> {
  // Loaded when it is wanted: its WebAssembly is some megabytes.
  const { PGlite: Pglite } = await import('@electric-sql/pglite')
  const path = await cachePath()
  const kept = await readFile(path).catch(() => undefined)
  if (kept !== undefined) {
    try {
      return await Pglite.create({ loadDataDir: new Blob([kept]) })
    } catch {
      // Whatever is wrong with the file: a database can be made without it, and the file again.
    }
  }
  const pglite = await Pglite.create()
  await keep(pglite, path).catch(() => {}) // The next start takes longer, and works.
  return pglite
}

async function cachePath(): Promise<string> {
  const entry = fileURLToPath(import.meta.resolve('@electric-sql/pglite')) // …/node_modules/@electric-sql/pglite/dist/index.js
  const folder = dirname(dirname(entry))
  const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { readonly version: string }
  return join(dirname(dirname(folder)), '.cache', 'posthorn-shop', `pglite-${version}.tar`)
}

async function keep(pglite: PGlite, path: string): Promise<void> {
  const files = await pglite.dumpDataDir('none')
  await mkdir(dirname(path), { recursive: true })
  const unfinished = `${path}.${process.pid}`
  await writeFile(unfinished, Buffer.from(await files.arrayBuffer()))
  await rename(unfinished, path)
}
