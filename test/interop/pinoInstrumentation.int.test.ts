import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, test } from 'vitest'
import { installPackages } from './installPackages.js'

/* A release that runs on Node.js 20. */
const packages = ['@opentelemetry/api@~1.9.0', '@opentelemetry/instrumentation-pino@0.60.0']
const script = fileURLToPath(new URL('./opentelemetry/linesOfHandler.mjs', import.meta.url))

interface Seen {
  readonly lines: readonly Readonly<Record<string, unknown>>[]
  readonly process: { readonly traceId: string; readonly spanId: string }
}

let folder: string

beforeAll(async () => {
  folder = await installPackages({ name: 'instrumentation-pino-0.60.0', packages })
})

test('what a handler writes names its span, by us and by the instrumentation of pino', () => {
  const args = [script, join(folder, 'package.json')]
  const { lines, process: span } = JSON.parse(
    execFileSync(process.execPath, args, { encoding: 'utf8', timeout: 100_000 }),
  ) as Seen
  expect(lines).toMatchObject([
    { msg: 'handling', ...span, trace_id: span.traceId, span_id: span.spanId, trace_flags: '01' },
  ])
})
