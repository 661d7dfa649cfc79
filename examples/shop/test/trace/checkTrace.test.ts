import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ended, startDemo } from '../demo/demoCommand.js'
import { checkConnections } from '../../src/trace/connections.js'
import type { SpanRecord, TraceFile } from '../../src/trace/spanRecord.js'
import { operationOf } from '../../src/trace/spanRecord.js'
import { treeOf } from '../../src/trace/spanTree.js'

const command = fileURLToPath(new URL('../../dist/checkTrace.js', import.meta.url))
const timeout = 300_000

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'posthorn-trace-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function check(file: string): Promise<{ code: number; stdout: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [command, file], (error, stdout) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout }),
    )
  })
}

const span = (spanId: string, operation: string | undefined, more: Partial<SpanRecord> = {}): SpanRecord => ({
  service: 'test',
  name: spanId,
  kind: 'CLIENT',
  traceId: 't',
  spanId,
  startMs: 0,
  durationMs: 1,
  isError: false,
  links: [],
  ...more,
  attributes: { ...(operation === undefined ? {} : { 'messaging.operation.type': operation }), ...more.attributes },
})
const of = (id: string): { attributes: Record<string, unknown> } => ({ attributes: { 'messaging.message.id': id } })
const linkTo = (spanId: string, id?: string): SpanRecord['links'][number] => ({
  traceId: 't',
  spanId,
  attributes: id === undefined ? {} : { 'messaging.message.id': id },
})

describe('what is connected', () => {
  const sent = span('sent', 'send', of('m-1'))

  test('a call that is linked to the send of its message is, one of another message is not', () => {
    const good = span('good', 'process', { ...of('m-1'), links: [linkTo('sent')] })
    const other = span('other', 'process', { ...of('m-2'), links: [linkTo('sent')] })
    const alone = span('alone', 'process', of('m-3'))
    const { handled, unconnected } = checkConnections([sent, good, other, alone])
    expect(handled).toBe(3)
    expect(unconnected.map(({ messageId }) => messageId)).toEqual(['m-2', 'm-3'])
  })

  test('each message of a batch is judged by its own links', () => {
    const links = [linkTo('sent', 'm-1'), linkTo('sent', 'm-2')]
    const { handled, unconnected } = checkConnections([sent, span('batch', 'process', { links })])
    expect([handled, unconnected.map(({ messageId }) => messageId)]).toEqual([2, ['m-2']])
  })

  test('spans that lead in a circle end', () => {
    const one = span('one', 'process', { ...of('m-1'), links: [linkTo('two')] })
    const two = span('two', undefined, { parentSpanId: 'one' })
    expect(checkConnections([one, two]).unconnected).toHaveLength(1)
    expect(treeOf([one, two], one)).toHaveLength(2)
  })
})

describe('the demo with --trace', { timeout }, () => {
  test('every handled message leads back to its publish; the script says so, and shows an order with its retries', async () => {
    const file = join(folder, 'out.json')
    const { code, stderr } = await ended(startDemo(['--trace', file, '--json']))
    expect(code, stderr).toBe(0)
    const { stdout, code: verdict } = await check(file)
    expect(stdout).toMatch(/^\d+ spans, \d+ handled messages, 0 not connected to a publish\n/)
    expect(verdict).toBe(0)
    const tree = stdout.split('\n').slice(2)
    expect(tree[0]).toMatch(/^place order {2}\[customers\]/)
    expect(tree[1]).toMatch(/^ {2}~ send shop\.orders {2}\[relay\]/)
    expect(tree.some((line) => /^ +send shop\.orders\.payments\.retry\.200 {2}\[payments\]/.test(line))).toBe(true)

    // The same run with its sends left out is not connected any more.
    const { spans } = JSON.parse(readFileSync(file, 'utf8')) as TraceFile
    expect(JSON.stringify(spans.map(({ attributes }) => attributes))).not.toContain('orderId')
    const broken = join(folder, 'broken.json')
    writeFileSync(broken, JSON.stringify({ spans: spans.filter((one) => operationOf(one) !== 'send') }))
    expect((await check(broken)).code).toBe(1)
  })

  test('is not for chaos, whose processes are others', async () => {
    const { code, stderr } = await ended(startDemo(['--trace', join(folder, 'none.json'), '--chaos']))
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining("'--trace <file>' cannot be used with option '--chaos'"),
    ])
  })
})
