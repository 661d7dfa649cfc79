// node build.mjs [folder]: writes index.js and index.d.ts from the schema files, into dist unless told otherwise. Plain
// Node.js without dependencies, because the TypeScript build of every other package needs the result first.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = dirname(fileURLToPath(import.meta.url))

/** Every schema of the package: the name of its export and its file. */
const schemaFiles = [
  ['envelopeSchema', 'envelope.schema.json'],
  ['deadLetterSchema', 'dead-letter.schema.json'],
  ['userRegisteredSchema', 'shop/user-registered.schema.json'],
  ['orderPlacedSchema', 'shop/order-placed.schema.json'],
  ['orderPaidSchema', 'shop/order-paid.schema.json'],
  ['orderRejectedSchema', 'shop/order-rejected.schema.json'],
]

/** Writes the two files into `target`, each only when its text changes, so that `tsc -b` sees nothing new. */
function build(target) {
  const schemas = schemaFiles.map(([name, file]) => ({ name, schema: JSON.parse(read(join(folder, file))) }))
  mkdirSync(target, { recursive: true })
  write(join(target, 'index.js'), schemas.map(javascript).join('\n'))
  write(join(target, 'index.d.ts'), schemas.map(declaration).join('\n'))
}

function javascript({ name, schema }) {
  return `export const ${name} = ${JSON.stringify(schema, null, 2)}\n`
}

// Literal types, so that data types can be inferred from the schemas, as from a literal in TypeScript.
function declaration({ name, schema }) {
  return `/** ${schema.description} */\nexport declare const ${name}: ${typeOf(schema, '')}\n`
}

function typeOf(value, indent) {
  if (Array.isArray(value)) return `readonly [${value.map((item) => typeOf(item, indent)).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const inner = `${indent}  `
  const lines = Object.entries(value).map(
    ([key, item]) => `${inner}readonly ${JSON.stringify(key)}: ${typeOf(item, inner)}\n`,
  )
  return `{\n${lines.join('')}${indent}}`
}

function read(file) {
  return readFileSync(file, 'utf8')
}

function write(file, text) {
  let before
  try {
    before = read(file)
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
  }
  if (before !== text) writeFileSync(file, text)
}

build(process.argv[2] ?? join(folder, 'dist'))
