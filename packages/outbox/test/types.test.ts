import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const folder = fileURLToPath(new URL('.', import.meta.url))
const tsc = fileURLToPath(new URL('../../../node_modules/typescript/bin/tsc', import.meta.url))

/** What the compiler says about the type tests. */
function compile(): Promise<{ readonly failed: boolean; readonly said: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [tsc, '-p', folder, '--pretty', 'false'], { cwd: folder }, (error, stdout, stderr) =>
      resolve({ failed: error !== null, said: stdout + stderr }),
    )
  })
}

it('data, handles and contexts are inferred, and what must not compile does not', async () => {
  expect(readFileSync(`${folder}/outbox.test-d.ts`, 'utf8').match(/@ts-expect-error/g)?.length).toBeGreaterThan(15)
  expect(await compile()).toEqual({ failed: false, said: '' })
})
