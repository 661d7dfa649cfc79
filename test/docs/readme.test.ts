import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createKafka } from '@posthorn/kafka'
import { createRabbitMq } from '@posthorn/rabbitmq'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { blocksOf, readPage, root } from './markdown.js'

const readme = readPage('README.md')
const example = blocksOf(readme).find(({ language }) => language === 'js')?.code ?? ''
let folder = ''

// Within the repository, so that @posthorn/* is found as it is in an installed project: the built packages.
beforeAll(() => {
  mkdirSync(join(root, '.posthorn'), { recursive: true })
  folder = mkdtempSync(join(root, '.posthorn', 'readme-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function run(code: string): Promise<{ stdout: string; stderr: string }> {
  const file = join(folder, 'example.mjs')
  writeFileSync(file, code)
  return promisify(execFile)(process.execPath, [file], { cwd: folder, timeout: 100_000 })
}

test('the example of the README runs as it stands, on the built packages', async () => {
  const { stdout, stderr } = await run(example)
  expect(stdout.trimEnd().split('\n').toSorted()).toEqual(['charged o-1 at attempt 2', 'confirmed, routed: true'])
  expect(stderr).toBe('')
})

test('it shows a contract, a service, a handler and a publish', () => {
  for (const call of ['defineEvent(', 'createService(', 'on(', 'service.consume(', 'service.publish(']) {
    expect(example).toContain(call)
  }
})

test('an example that does not keep its word is noticed', async () => {
  const { stdout } = await run(
    example.replace('attempt === 1', 'attempt < 9').replaceAll('[charge]', '[charge], retry: { delaysMs: [] }'),
  )
  expect(stdout).not.toContain('charged')
})

test('to switch the broker is the one line that the README says', () => {
  const [rabbitMq, kafka] = [...readme.matchAll(/`transport: (create\w+)\((\{.*?\})\)`/g)]
  expect([rabbitMq?.[1], kafka?.[1]]).toEqual(['createRabbitMq', 'createKafka'])
  const options = (match: RegExpExecArray | undefined): never => {
    const json = (match?.[2] ?? '').replaceAll("'", '"').replaceAll(/(\w+):\s*\[/g, '"$1": [')
    return JSON.parse(json) as never
  }
  expect(createRabbitMq(options(rabbitMq)).system).toBe('rabbitmq')
  expect(createKafka(options(kafka)).system).toBe('kafka')
})

test('it says that duplicates happen', () => {
  expect(readme).toMatch(/at least once, so duplicates happen/i)
})
