import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createLedger } from './ledger.js'
import { openLedger } from './ledgerFile.js'
import { createLedgerReader } from './ledgerReader.js'

let folder = ''
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'posthorn-ledger-'))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('lines of one turn are in the file, in their order, when the first of them resolves', async () => {
  const path = join(folder, 'a.ledger')
  const ledger = openLedger(path)
  const first = ledger.write('a w-p-1 1')
  void ledger.write('a w-p-2 2')
  await first
  expect(readFileSync(path, 'utf8')).toBe('a w-p-1 1\na w-p-2 2\n')
  void ledger.write('e 3')
  ledger.close()
  expect(readFileSync(path, 'utf8')).toBe('a w-p-1 1\na w-p-2 2\ne 3\n')
})

test('what was awaited survives a kill -9 of its process', () => {
  const path = join(folder, 'killed.ledger')
  const module = fileURLToPath(new URL('../dist/faults/ledgerFile.js', import.meta.url))
  const script = `import { openLedger } from ${JSON.stringify(module)}
    const ledger = openLedger(${JSON.stringify(path)})
    await ledger.write('a w-p-1 1')
    void ledger.write('k w-p-1 1 2')
    process.kill(process.pid, 'SIGKILL')`
  expect(() => execFileSync(process.execPath, ['--input-type=module', '-e', script])).toThrow()
  expect(readFileSync(path, 'utf8')).toBe('a w-p-1 1\n')
})

test('a reader takes files while they grow, and leaves half a line until its rest comes', () => {
  const ledger = createLedger()
  const reader = createLedgerReader(folder, ledger)
  appendFileSync(join(folder, 'publisher.ledger'), 'a w-p-1 10\nk w-p-1 1 2')
  reader.poll()
  expect(ledger.counts).toMatchObject({ attempted: 1, acked: 0 })
  appendFileSync(join(folder, 'publisher.ledger'), '0\n')
  reader.poll()
  expect(ledger.counts).toMatchObject({ attempted: 1, acked: 1, open: 1 })
  appendFileSync(join(folder, 'consumer.ledger'), 'h w-p-1 1 k 1 30\nd w-p-1 40\n')
  reader.poll()
  reader.poll()
  expect(ledger.counts).toMatchObject({ calls: 1, open: 0, done: { w: 1 } })
  expect(ledger.messages.get('w-p-1')).toMatchObject({ ackedAt: 20, firstCallAt: 30, firstDoneAt: 40, done: 1 })
})

test('what no process writes is an error, not a message that is left out', () => {
  appendFileSync(join(folder, 'publisher.ledger'), 'nonsense\n')
  expect(() => createLedgerReader(folder, createLedger()).poll()).toThrow(/no line of a ledger/)
})
