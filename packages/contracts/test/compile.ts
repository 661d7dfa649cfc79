import { execFile } from 'node:child_process'
import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const packageFolder: string = fileURLToPath(new URL('..', import.meta.url))
const root = fileURLToPath(new URL('../../..', import.meta.url))

/** What the real TypeScript compiler said. */
export interface Compilation {
  readonly output: string
  /** `file.ts(1,2): error TS…`, one per mistake; all of the output when the compiler itself failed. */
  readonly errors: readonly string[]
}

/** Runs the project's own `tsc`; resolves also when it finds mistakes. */
export function compile(args: readonly string[]): Promise<Compilation> {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  return new Promise((resolve) => {
    execFile(process.execPath, [tsc, ...args], { cwd: root }, (error, stdout, stderr) => {
      const output = stdout + stderr
      const errors = output.match(/^.*error TS\d+.*$/gm) ?? []
      resolve({ output, errors: error !== null && errors.length === 0 ? [error.message, output] : errors })
    })
  })
}

/** Compiles the package into `folder`, with its own settings: what `tsc -b` writes to dist, never an old state of it. */
export function compilePackage(folder: string): Promise<Compilation> {
  const buildInfo = join(folder, '.tsbuildinfo')
  return compile(['-p', packageFolder, '--outDir', folder, '--tsBuildInfoFile', buildInfo])
}

/** Makes `folder` a project of its own whose `@posthorn/contracts` is `contracts`. */
export function writeProject(folder: string, contracts: string): void {
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  const compilerOptions = {
    composite: false,
    noEmit: true,
    typeRoots: [join(root, 'node_modules', '@types')],
    paths: { '@posthorn/contracts': [contracts] },
  }
  const config = { extends: join(root, 'tsconfig.base.json'), compilerOptions, include: ['*.ts'] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
}
