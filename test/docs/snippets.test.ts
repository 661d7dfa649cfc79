import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { blocksOf, pages, readPage, root } from './markdown.js'
import type { CodeBlock } from './markdown.js'

/*
 * Every block of TypeScript or JavaScript is compiled against the built packages, as a module of its own or as the file
 * that it names; those marked `run` are run with Node.js, and print what the `text output` behind them says. The folder
 * lies within the repository, so that @posthorn/* is found there as it is in an installed one.
 */
const support = fileURLToPath(new URL('support', import.meta.url))
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
const languages = new Set(['ts', 'js'])
/** These have tests of their own, which also run them. */
const elsewhere = /^(packages|schemas|test)\//

interface Snippet extends CodeBlock {
  readonly page: string
  /** Within the folder of all snippets. */
  readonly path: string
}

const snippets: readonly Snippet[] = pages()
  .filter((page) => !elsewhere.test(page))
  .flatMap((page) =>
    blocksOf(readPage(page))
      .filter(({ language }) => languages.has(language))
      .map((block) => ({ ...block, page, path: join(folderOf(page), block.file ?? nameOf(block)) })),
  )

let folder = ''
let compilation: Ending

function folderOf(page: string): string {
  return page.replaceAll(/[^a-z]+/gi, '-')
}

function nameOf({ language, line }: CodeBlock): string {
  return `line-${line}.${language === 'js' ? 'mjs' : 'ts'}`
}

interface Ending {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function node(args: readonly string[]): Promise<Ending> {
  const env = { ...process.env, LOG_LEVEL: 'silent', NO_COLOR: '1' }
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: folder, env, timeout: 100_000 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
      resolve({ code, stdout, stderr })
    })
  })
}

beforeAll(async () => {
  mkdirSync(join(root, '.posthorn'), { recursive: true })
  folder = mkdtempSync(join(root, '.posthorn', 'snippets-'))
  for (const path of new Set(snippets.map(({ page }) => folderOf(page)))) {
    mkdirSync(join(folder, path))
    for (const name of readdirSync(support)) copyFileSync(join(support, name), join(folder, path, name))
  }
  for (const { path, code } of snippets) writeFileSync(join(folder, path), code)
  const compilerOptions = {
    rootDir: '.',
    outDir: 'out',
    typeRoots: [join(root, 'node_modules', '@types')],
    moduleDetection: 'force',
    experimentalDecorators: true, // Those of NestJS.
    allowJs: true,
    checkJs: true,
    composite: false,
    declaration: false,
    declarationMap: false,
    sourceMap: false,
    noUnusedLocals: false,
  }
  const config = { extends: join(root, 'tsconfig.base.json'), compilerOptions, include: ['*/*.ts', '*/*.mjs'] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  compilation = await node([tsc, '-p', folder])
}, 60_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('every snippet compiles against the built packages', () => {
  expect(snippets.length).toBeGreaterThan(10)
  expect(new Set(snippets.map(({ path }) => path)).size, 'two snippets with one name').toBe(snippets.length)
  expect(compilation).toEqual({ code: 0, stdout: '', stderr: '' })
})

describe('a snippet that is marked to run', () => {
  const running = snippets.filter(({ runs }) => runs)

  test.each(running)('$page, line $line, prints what the page says', async ({ path, output }) => {
    const { code, stdout, stderr } = await node([join('out', path.replace(/\.ts$/, '.js'))])
    expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: '' })
    if (output !== undefined) expect(stdout).toBe(output)
  })

  test('has its output behind it, unless it asserts by itself', () => {
    const withoutOutput = running.filter(({ output }) => output === undefined)
    expect(running.length - withoutOutput.length).toBeGreaterThan(3)
    expect(withoutOutput.filter(({ code }) => !code.includes('assert')).map(({ page }) => page)).toEqual([])
  })
})

test('a snippet that is wrong does not compile', async () => {
  const wrong = join(folder, folderOf('docs/tutorial/getting-started.md'), 'wrong.ts')
  writeFileSync(wrong, "import { orderPlaced } from './contracts.js'\norderPlaced.partitionKey({ orderId: 1 })\n")
  const { stdout } = await node([tsc, '-p', folder, '--noEmit']).finally(() => rmSync(wrong))
  expect(stdout).toContain(basename(wrong))
})
