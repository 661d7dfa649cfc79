import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { get } from './fixtures.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))
let folder = ''
let child: ChildProcess | undefined
// Within the repository, so that @posthorn/* is found as in an installed project: the built packages.
beforeAll(() => {
  mkdirSync(join(root, '.posthorn'), { recursive: true })
  folder = mkdtempSync(join(root, '.posthorn', 'monitoring-'))
})
afterAll(() => {
  child?.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

const program = `
import { createService, defineEvent, on, silentLogger } from '@posthorn/core'
import { createMemory } from '@posthorn/memory'
import { serveMonitoring } from '@posthorn/monitoring'
const noted = defineEvent({ type: 'com.example.noted.v1', destination: 'notes', schema: { type: 'object' } })
const service = createService({ source: '/test', transport: createMemory(), logger: silentLogger })
let release
service.consume('readers', { handlers: [on(noted, () => {
  console.log('working')
  return new Promise((resolve) => (release = resolve))
})] })
const monitoring = await serveMonitoring({ subjects: { service }, port: 0 })
process.once('SIGTERM', async () => {
  const stopping = service.stop({ deadlineMs: 100_000 })
  console.log('stopping')
  await stopping
  await monitoring.close()
})
process.on('SIGUSR2', () => release())
await service.start()
await service.publish(noted, {})
console.log(monitoring.address)
`

it('a process that is told to end is not ready from then on, answers while handlers end, and ends', async () => {
  writeFileSync(join(folder, 'service.mjs'), program)
  child = spawn(process.execPath, [join(folder, 'service.mjs')], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  const seen: string[] = []
  while (seen.length < 2) seen.push((await lines.next()).value as string)
  const address = seen.find((line) => line.includes(':'))!
  expect((await get({ address }, '/readyz')).status).toBe(200)
  child.kill('SIGTERM')
  expect((await lines.next()).value).toBe('stopping')
  const answer = await get({ address }, '/readyz')
  expect([answer.status, answer.body]).toMatchObject([
    503,
    {
      reasons: [
        { where: 'service', code: 'stopping' },
        { where: 'group readers', code: 'stopping' },
      ],
    },
  ])
  expect((await get({ address }, '/livez')).status).toBe(200)
  child.kill('SIGUSR2')
  expect((await ended)[0]).toBe(0)
  await expect(get({ address }, '/livez')).rejects.toThrow()
})
