import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { acquirePromtool } from '../stack/src/index.js'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { observability, ruleFiles, ruleTestFiles } from './queries.js'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'posthorn-rules-'))
  cpSync(join(observability, 'prometheus'), folder, { recursive: true })
})
afterEach(() => rmSync(folder, { recursive: true }))

const promtool = async (...args: string[]): Promise<{ code: number; said: string }> => {
  const { code, stdout, stderr } = await (await acquirePromtool()).run(args, { cwd: folder })
  return { code, said: stdout + stderr }
}

const change = (file: string, from: string, to: string): void => {
  const path = join(folder, file)
  const text = readFileSync(path, 'utf8')
  expect(text).toContain(from)
  writeFileSync(path, text.replaceAll(from, to))
}

const names = (files: readonly string[]): string[] => files.map((file) => basename(file))

describe('promtool', () => {
  test('accepts the configuration, and all rules in it', async () => {
    const { code, said } = await promtool('check', 'config', '--lint-fatal', 'prometheus.yml')
    expect({ code, said }).toMatchObject({ code: 0 })
    expect(said).toContain(`${ruleFiles.length} rule files found`)
  })

  test('accepts the rules', async () => {
    const files = names(ruleFiles).map((name) => `rules/${name}`)
    const { code, said } = await promtool('check', 'rules', '--lint-fatal', ...files)
    expect({ code, said }).toMatchObject({ code: 0 })
  })

  test('refuses a rule whose query is broken', async () => {
    change('rules/outbox.yml', 'posthorn_relay_ready == 0', 'sum by (job posthorn_relay_ready')
    expect((await promtool('check', 'rules', 'rules/outbox.yml')).code).not.toBe(0)
  })

  test.each(names(ruleTestFiles))('sees each alert of %s fire for what is bad, and for nothing else', async (name) => {
    const { code, said } = await promtool('test', 'rules', `tests/${name}`)
    expect({ code, said }).toMatchObject({ code: 0 })
  })

  test('sees that an alert does not fire any more', async () => {
    change('rules/outbox.yml', 'posthorn_relay_ready == 0', 'posthorn_relay_ready == 2')
    const { code, said } = await promtool('test', 'rules', 'tests/outbox.test.yml')
    expect(code).not.toBe(0)
    expect(said).toContain('PosthornRelayNotReady')
  })
})
